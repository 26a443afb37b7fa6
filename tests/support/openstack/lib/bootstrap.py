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
    for arg in args:
        what, _, value = arg.partition("=")
        if what == "user":
            name, pw, project = value.split(":")
            p = ensure(
                "/projects", "project", "projects", {"name": project, "domain_id": "default"}
            )
            u = ensure(
                "/users", "user", "users", {"name": name, "domain_id": "default"}, {"password": pw}
            )
            r = one("/roles", "roles", name="member")
            s.put(
                "/projects/{}/users/{}/roles/{}".format(p["id"], u["id"], r["id"]),
                endpoint_filter=ID,
            )
            with open(os.path.join(e["OS_HOME"], "state", "project_id"), "w") as f:
                f.write(p["id"])
            continue
        if what == "role":
            name, role, project = value.split(":")
            s.put(
                "/projects/{}/users/{}/roles/{}".format(
                    one("/projects", "projects", name=project)["id"],
                    one("/users", "users", name=name)["id"],
                    ensure("/roles", "role", "roles", {"name": role})["id"],
                ),
                endpoint_filter=ID,
            )
            continue
        svc = ensure("/services", "service", "services", {"type": what}, {"name": NAMES[what]})
        for interface in ("public", "internal", "admin"):
            ensure(
                "/endpoints",
                "endpoint",
                "endpoints",
                {"service_id": svc["id"], "interface": interface, "region_id": "RegionOne"},
                {"url": value},
            )


def resources(args):
    compute = {"service_type": "compute"}
    have = {
        f["name"]
        for f in s.get("/flavors?is_public=None", endpoint_filter=compute).json()["flavors"]
    }
    for name, ram, vcpus, disk in (
        ("m1.tiny", 512, 1, 1),
        ("m1.small", 2048, 1, 20),
        ("m1.large", 8192, 4, 80),
    ):
        if name not in have:
            s.post(
                "/flavors",
                json={"flavor": {"name": name, "ram": ram, "vcpus": vcpus, "disk": disk}},
                endpoint_filter=compute,
            )
    image = {"service_type": "image"}
    if not s.get("/v2/images?name=base", endpoint_filter=image).json()["images"]:
        img = s.post(
            "/v2/images",
            json={
                "name": "base",
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "public",
            },
            endpoint_filter=image,
        ).json()
        s.put(
            "/v2/images/{}/file".format(img["id"]),
            data=b"not really a disk\n",
            headers={"Content-Type": "application/octet-stream"},
            endpoint_filter=image,
        )
    if "neutron=1" in args:
        net = {"service_type": "network"}
        nets = s.get("/v2.0/networks?name=private", endpoint_filter=net).json()["networks"]
        if not nets:
            n = s.post(
                "/v2.0/networks",
                json={"network": {"name": "private", "shared": True}},
                endpoint_filter=net,
            ).json()["network"]
            s.post(
                "/v2.0/subnets",
                json={
                    "subnet": {
                        "network_id": n["id"],
                        "ip_version": 4,
                        "cidr": e.get("SUBNET", "127.10.0.0/16"),
                        "enable_dhcp": False,
                    }
                },
                endpoint_filter=net,
            )
        if not nets and "router" in e.get(
            "NEUTRON_PLUGINS", ""
        ):  # floating IPs: an external network and a router
            sub = s.get("/v2.0/subnets?network_id=" + n["id"], endpoint_filter=net).json()[
                "subnets"
            ][0]
            ext = s.post(
                "/v2.0/networks",
                json={"network": {"name": "public", "router:external": True}},
                endpoint_filter=net,
            ).json()["network"]
            s.post(
                "/v2.0/subnets",
                json={
                    "subnet": {
                        "network_id": ext["id"],
                        "ip_version": 4,
                        "cidr": e.get("FLOATING_SUBNET", "127.20.0.0/16"),
                        "enable_dhcp": False,
                    }
                },
                endpoint_filter=net,
            )
            r = s.post(
                "/v2.0/routers",
                json={
                    "router": {"name": "router", "external_gateway_info": {"network_id": ext["id"]}}
                },
                endpoint_filter=net,
            ).json()["router"]
            s.put(
                "/v2.0/routers/{}/add_router_interface".format(r["id"]),
                json={"subnet_id": sub["id"]},
                endpoint_filter=net,
            )
    for _ in range(100):  # nova-compute counts once its node is in placement
        rps = s.get("/resource_providers", endpoint_filter={"service_type": "placement"}).json()[
            "resource_providers"
        ]
        if rps:
            return
        time.sleep(0.1)
    sys.exit("no resource provider in placement")


try:
    {"keystone": keystone, "resources": resources}[sys.argv[1]](sys.argv[2:])
except exceptions.HttpError as exc:
    sys.exit("{}: {}".format(exc, getattr(exc.response, "text", "")))
