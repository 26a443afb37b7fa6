"""Fills the catalogue and makes the few resources a client needs.  Idempotent, plain REST."""

import os
import sys
import time

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

e = os.environ
auth = v3.Password(
    auth_url=e["OS_AUTH_URL"],
    username=e["OS_USERNAME"],
    password=e["OS_PASSWORD"],
    project_name=e["OS_PROJECT_NAME"],
    user_domain_id="default",
    project_domain_id="default",
)
s = session.Session(auth=auth)
NAMES = {"compute": "nova", "image": "glance", "placement": "placement", "network": "neutron"}
ID = {"service_type": "identity"}
COMPUTE = {"service_type": "compute"}
IMAGE = {"service_type": "image"}
NETWORK = {"service_type": "network"}
PLACEMENT = {"service_type": "placement"}


def one(path, coll, **match):
    for item in s.get(path, endpoint_filter=ID).json()[coll]:
        if all(item.get(k) == v for k, v in match.items()):
            return item
    return None


def ensure(path, kind, coll, match, body=None):
    found = one(path, coll, **match)
    return (
        found
        or s.post(path, json={kind: dict(match, **(body or {}))}, endpoint_filter=ID).json()[kind]
    )


def keystone(args):
    """Each `user=NAME:PASSWORD:PROJECT`, `role=NAME:ROLE:PROJECT` or `SERVICE TYPE=URL`."""
    for arg in args:
        what, _, value = arg.partition("=")
        if what == "user":
            make_user(*value.split(":"))
        elif what == "role":
            name, role, project = value.split(":")
            project_id = one("/projects", "projects", name=project)["id"]
            user_id = one("/users", "users", name=name)["id"]
            give_role(project_id, user_id, ensure("/roles", "role", "roles", {"name": role}))
        else:
            make_service(what, value)


def make_user(name, password, project):
    p = ensure("/projects", "project", "projects", {"name": project, "domain_id": "default"})
    match = {"name": name, "domain_id": "default"}
    u = ensure("/users", "user", "users", match, {"password": password})
    give_role(p["id"], u["id"], one("/roles", "roles", name="member"))
    with open(os.path.join(e["OS_HOME"], "state", "project_id"), "w") as f:
        f.write(p["id"])


def give_role(project_id, user_id, role):
    path = "/projects/{}/users/{}/roles/{}".format(project_id, user_id, role["id"])
    s.put(path, endpoint_filter=ID)


def make_service(kind, url):
    svc = ensure("/services", "service", "services", {"type": kind}, {"name": NAMES[kind]})
    for interface in ("public", "internal", "admin"):
        match = {"service_id": svc["id"], "interface": interface, "region_id": "RegionOne"}
        ensure("/endpoints", "endpoint", "endpoints", match, {"url": url})


def resources(args):
    make_flavors()
    make_image()
    if "neutron=1" in args:
        make_networks()
    wait_for_a_host()


def make_flavors():
    found = s.get("/flavors?is_public=None", endpoint_filter=COMPUTE).json()["flavors"]
    have = {f["name"] for f in found}
    for name, ram, vcpus, disk in (
        ("m1.tiny", 512, 1, 1),
        ("m1.small", 2048, 1, 20),
        ("m1.large", 8192, 4, 80),
    ):
        if name not in have:
            flavor = {"name": name, "ram": ram, "vcpus": vcpus, "disk": disk}
            s.post("/flavors", json={"flavor": flavor}, endpoint_filter=COMPUTE)


def make_image():
    if s.get("/v2/images?name=base", endpoint_filter=IMAGE).json()["images"]:
        return
    img = s.post(
        "/v2/images",
        json={
            "name": "base",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
        },
        endpoint_filter=IMAGE,
    ).json()
    s.put(
        "/v2/images/{}/file".format(img["id"]),
        data=b"not really a disk\n",
        headers={"Content-Type": "application/octet-stream"},
        endpoint_filter=IMAGE,
    )


def make_networks():
    if s.get("/v2.0/networks?name=private", endpoint_filter=NETWORK).json()["networks"]:
        return
    network = make("networks", "network", name="private", shared=True)
    subnet = make_subnet(network, e.get("SUBNET", "127.10.0.0/16"))
    if "router" in e.get("NEUTRON_PLUGINS", ""):
        make_way_out(subnet)


def make_way_out(subnet):
    """What floating IPs need: an external network, and a router to it."""
    external = make("networks", "network", name="public", **{"router:external": True})
    make_subnet(external, e.get("FLOATING_SUBNET", "127.20.0.0/16"))
    gateway = {"network_id": external["id"]}
    router = make("routers", "router", name="router", external_gateway_info=gateway)
    s.put(
        "/v2.0/routers/{}/add_router_interface".format(router["id"]),
        json={"subnet_id": subnet["id"]},
        endpoint_filter=NETWORK,
    )


def make_subnet(network, cidr):
    network_id = network["id"]
    return make(
        "subnets", "subnet", network_id=network_id, ip_version=4, cidr=cidr, enable_dhcp=False
    )


def make(collection, kind, **values):
    """A new thing of Neutron's."""
    path = "/v2.0/" + collection
    return s.post(path, json={kind: values}, endpoint_filter=NETWORK).json()[kind]


def wait_for_a_host():
    for _ in range(100):  # nova-compute counts once its node is in placement
        found = s.get("/resource_providers", endpoint_filter=PLACEMENT).json()
        if found["resource_providers"]:
            return
        time.sleep(0.1)
    sys.exit("no resource provider in placement")


try:
    {"keystone": keystone, "resources": resources}[sys.argv[1]](sys.argv[2:])
except exceptions.HttpError as exc:
    sys.exit("{}: {}".format(exc, getattr(exc.response, "text", "")))
