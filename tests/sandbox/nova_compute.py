"""nova but its servers: versions, flavors, key pairs, limits, zones, and the proxies of old:
images, floating addresses, networks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

import asyncssh
from aiohttp import web

from tests.sandbox import nova_rows
from tests.sandbox.nova_cloud import Cloud
from tests.sandbox.nova_errors import ApiError, bad, not_found
from tests.sandbox.nova_gate import NEWEST, USER, VERSION, Gate, json_body, until
from tests.sandbox.nova_model import Flavor, FloatingIp, Image, Keypair, Network, User
from tests.sandbox.nova_rows import Row, Rows, Version

#: the last microversion that has proxies to other services
LAST_PROXY = (2, 35)
_KEY_NAME = r"^[_\- a-zA-Z0-9]+$"
_NEW_KEY_NAME = r"^[_\-\@\. a-zA-Z0-9]+$"
_EXTENSIONS = {
    "os-floating-ips": "FloatingIps",
    "os-floating-ip-pools": "FloatingIpPools",
    "os-keypairs": "Keypairs",
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-networks": "Networks",
    "os-tenant-networks": "ProjectNetworks",
    "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-STS": "ExtendedStatus",
}


class Compute:
    """One instance a cloud."""

    def __init__(self, cloud: Cloud, gate: Gate, rows: Rows, url: str) -> None:
        self._cloud = cloud
        self._gate = gate
        self._rows = rows
        self._url = url
        self._numbers = 0

    def routes(self, app: web.Application) -> None:
        def add(kind: str, method: str, path: str, do: Any) -> None:
            self._gate.add(app, kind, method, f"/compute/v2.1{path}", do)

        for path in ("/compute", "/compute/"):
            self._gate.add(app, "versions", "GET", path, self.versions)
        add("versions", "GET", "", self.version)
        add("versions", "GET", "/", self.version)
        add("flavors.list", "GET", "/flavors", self.brief_flavors)
        add("flavors.list", "GET", "/flavors/detail", self.flavors)
        add("flavors.get", "GET", "/flavors/{id}", self.flavor)
        add("limits", "GET", "/limits", self.limits)
        add("zones", "GET", "/os-availability-zone", self.zones)
        add("extensions", "GET", "/extensions", self.extensions)
        add("extensions", "GET", "/extensions/{alias}", self.extension)
        add("keypairs.list", "GET", "/os-keypairs", self.keypairs)
        add("keypairs.create", "POST", "/os-keypairs", self.create_keypair)
        add("keypairs.get", "GET", "/os-keypairs/{name}", self.keypair)
        add("keypairs.delete", "DELETE", "/os-keypairs/{name}", self.delete_keypair)
        add("images.list", "GET", "/images", self.brief_images)
        add("images.list", "GET", "/images/detail", self.images)
        add("images.get", "GET", "/images/{id}", self.image)
        add("images.delete", "DELETE", "/images/{id}", self.delete_image)
        add("floatingips.list", "GET", "/os-floating-ips", self.floating_ips)
        add("floatingips.create", "POST", "/os-floating-ips", self.create_floating_ip)
        add("floatingips.get", "GET", "/os-floating-ips/{id}", self.floating_ip)
        add("floatingips.delete", "DELETE", "/os-floating-ips/{id}", self.delete_floating_ip)
        add("floatingips.pools", "GET", "/os-floating-ip-pools", self.pools)
        add("networks.list", "GET", "/os-networks", self.networks)
        add("networks.list", "GET", "/os-tenant-networks", self.tenant_networks)

    # -- versions, flavors, limits ---------------------------------------------------------------

    async def versions(self, request: web.Request) -> web.Response:
        old = {**self._version(""), "id": "v2.0", "status": "DEPRECATED", "min_version": ""}
        old["version"] = ""
        del old["media-types"]
        new = self._version("v2.1/")
        del new["media-types"]
        return web.json_response({"versions": [old, new]})

    async def version(self, request: web.Request) -> web.Response:
        row = self._version("v2.1/")
        described = {
            "rel": "describedby",
            "type": "text/html",
            "href": "http://docs.openstack.org/",
        }
        row["links"].append(described)
        return web.json_response({"version": row})

    def _version(self, path: str) -> Row:
        media = "application/vnd.openstack.compute+json;version=2.1"
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": f"{NEWEST[0]}.{NEWEST[1]}",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self._url}/{path}"}],
            "media-types": [{"base": "application/json", "type": media}],
        }

    async def brief_flavors(self, request: web.Request) -> web.Response:
        rows = [self._rows.brief_flavor(f, request[VERSION]) for f in self._flavors()]
        return web.json_response({"flavors": rows})

    async def flavors(self, request: web.Request) -> web.Response:
        rows = [self._rows.flavor(flavor, request[VERSION]) for flavor in self._flavors()]
        return web.json_response({"flavors": rows})

    async def flavor(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        for flavor in self._cloud.flavors:
            if flavor.id == name:
                return web.json_response({"flavor": self._rows.flavor(flavor, request[VERSION])})
        raise not_found(f"Flavor {name} could not be found.")

    def _flavors(self) -> list[Flavor]:
        return sorted(self._cloud.flavors, key=lambda flavor: flavor.id)

    async def limits(self, request: web.Request) -> web.Response:
        project = request[USER].project
        used = sum(ip.project_id == project.id for ip in self._cloud.floating_ips.values())
        servers = self._cloud.of_project(project)
        row = nova_rows.limits(project.quota, servers, used, request[VERSION])
        return web.json_response(row)

    async def zones(self, request: web.Request) -> web.Response:
        rows = [
            {"zoneName": zone, "zoneState": {"available": True}, "hosts": None}
            for zone in self._cloud.settings.zones
        ]
        return web.json_response({"availabilityZoneInfo": rows})

    async def extensions(self, request: web.Request) -> web.Response:
        return web.json_response({"extensions": [_extension(alias) for alias in _EXTENSIONS]})

    async def extension(self, request: web.Request) -> web.Response:
        alias = request.match_info["alias"]
        if alias not in _EXTENSIONS:
            raise not_found()
        return web.json_response({"extension": _extension(alias)})

    # -- key pairs -------------------------------------------------------------------------------

    async def keypairs(self, request: web.Request) -> web.Response:
        user, version = request[USER], request[VERSION]
        rows = [
            {"keypair": self._rows.keypair(keypair, user.id, version, "list")}
            for _, keypair in sorted(user.keypairs.items())
        ]
        return web.json_response({"keypairs": rows})

    async def create_keypair(self, request: web.Request) -> web.Response:
        asked = (await json_body(request)).get("keypair", {})
        user, version = request[USER], request[VERSION]
        name, public_key = asked["name"], asked.get("public_key")
        _check_key_name(name, version)
        fingerprint = None if public_key is None else _fingerprint(public_key)
        if name in user.keypairs:
            raise ApiError(409, f"Key pair '{name}' already exists.")
        if 0 <= user.project.quota.key_pairs <= len(user.keypairs):
            raise ApiError(403, "Quota exceeded, too many key pairs.")
        private = None
        if public_key is None:
            if version >= (2, 92):
                raise bad("'public_key' is a required property")
            key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
            public_key = f"{key.export_public_key().decode().strip()} Generated-by-Nova"
            private = key.export_private_key("pkcs1-pem").decode()
        self._numbers += 1
        keypair = Keypair(name, public_key, fingerprint or _fingerprint(public_key), self._numbers)
        user.keypairs[name] = keypair
        row = self._rows.keypair(keypair, user.id, version, "created")
        if private is not None:
            row["private_key"] = private
        return web.json_response({"keypair": row}, status=201 if version >= (2, 2) else 200)

    async def keypair(self, request: web.Request) -> web.Response:
        user = request[USER]
        row = self._rows.keypair(self._keypair(request, user), user.id, request[VERSION], "shown")
        return web.json_response({"keypair": row})

    async def delete_keypair(self, request: web.Request) -> web.Response:
        user = request[USER]
        del user.keypairs[self._keypair(request, user).name]
        return web.Response(status=204 if request[VERSION] >= (2, 2) else 202)

    def _keypair(self, request: web.Request, user: User) -> Keypair:
        name = request.match_info["name"]
        if name not in user.keypairs:
            raise not_found(f"Keypair {name} not found for user {user.id}")
        return user.keypairs[name]

    # -- images, by proxy --------------------------------------------------------------------------

    async def brief_images(self, request: web.Request) -> web.Response:
        rows = [self._rows.brief_image(image) for image in self._images(request)]
        return web.json_response({"images": rows})

    async def images(self, request: web.Request) -> web.Response:
        rows = [self._rows.image(image, self._cloud.servers) for image in self._images(request)]
        return web.json_response({"images": rows})

    async def image(self, request: web.Request) -> web.Response:
        row = self._rows.image(self._image(request), self._cloud.servers)
        return web.json_response({"image": row})

    async def delete_image(self, request: web.Request) -> web.Response:
        image = self._image(request)
        if image.project_id != request[USER].project.id:
            raise ApiError(403, "You are not allowed to delete the image.")
        self._cloud.remove_image(image)
        return web.Response(status=204)

    def _images(self, request: web.Request) -> list[Image]:
        until(request, LAST_PROXY)
        rows = self._cloud.visible_images(request[USER].project)
        query = request.query
        if "name" in query:
            rows = [image for image in rows if image.name == query["name"]]
        if "status" in query:
            rows = [image for image in rows if image.status == query["status"].lower()]
        return rows

    def _image(self, request: web.Request) -> Image:
        until(request, LAST_PROXY)
        image = self._cloud.images.get(request.match_info["id"])
        if image is None or image not in self._cloud.visible_images(request[USER].project):
            raise not_found("Image not found.")
        return image

    # -- networks and floating addresses, by proxy -------------------------------------------------

    async def networks(self, request: web.Request) -> web.Response:
        until(request, LAST_PROXY)
        empty = ("bridge", "broadcast", "cidr", "cidr_v6", "dns1", "dns2", "gateway", "gateway_v6")
        nothing = dict.fromkeys((*empty[1:], "netmask", "netmask_v6"))
        rows = [{"id": n.id, "label": n.name, **nothing} for n in self._cloud.networks]
        return web.json_response({"networks": rows})

    async def tenant_networks(self, request: web.Request) -> web.Response:
        until(request, LAST_PROXY)
        rows = [{"id": n.id, "label": n.name, "cidr": "None"} for n in self._cloud.networks]
        return web.json_response({"networks": rows})

    async def pools(self, request: web.Request) -> web.Response:
        until(request, LAST_PROXY)
        rows = [{"name": network.name} for network in self._pools()]
        return web.json_response({"floating_ip_pools": rows})

    async def floating_ips(self, request: web.Request) -> web.Response:
        until(request, LAST_PROXY)
        project = request[USER].project
        rows = [
            self._floating_row(ip)
            for ip in self._cloud.floating_ips.values()
            if ip.project_id == project.id
        ]
        return web.json_response({"floating_ips": rows})

    async def create_floating_ip(self, request: web.Request) -> web.Response:
        until(request, LAST_PROXY)
        pool = (await json_body(request)).get("pool")
        network = next((each for each in self._pools() if each.name == pool), None)
        if network is None:
            raise not_found("Floating IP pool not found.")
        floating = self._cloud.new_floating_ip(request[USER].project, network)
        return web.json_response({"floating_ip": self._floating_row(floating)})

    async def floating_ip(self, request: web.Request) -> web.Response:
        return web.json_response({"floating_ip": self._floating_row(self._floating(request))})

    async def delete_floating_ip(self, request: web.Request) -> web.Response:
        self._cloud.remove_floating_ip(self._floating(request))
        return web.Response(status=202)

    def _floating(self, request: web.Request) -> FloatingIp:
        until(request, LAST_PROXY)
        name = request.match_info["id"]
        floating = self._cloud.floating_ips.get(name)
        if floating is None or floating.project_id != request[USER].project.id:
            raise not_found(f"Floating IP not found for ID {name}")
        return floating

    def _floating_row(self, floating: FloatingIp) -> Row:
        return self._rows.floating_ip(floating, floating.network.name)

    def _pools(self) -> list[Network]:
        return [network for network in self._cloud.networks if network.external]


def _check_key_name(name: str, version: Version) -> None:
    pattern = _KEY_NAME if version < (2, 92) else _NEW_KEY_NAME
    text = f"Invalid input for field/attribute name. Value: {name}. "
    if not name:
        raise bad(text + "'' should be non-empty")
    if re.search(pattern, name) is None:
        raise bad(text + f"'{name}' does not match {pattern!r}")


def _extension(alias: str) -> Row:
    return {
        "alias": alias,
        "name": _EXTENSIONS[alias],
        "description": f"{_EXTENSIONS[alias]}.",
        "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    }


def _fingerprint(public_key: str) -> str:
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        asyncssh.import_public_key(public_key)
    except (IndexError, binascii.Error, ValueError, asyncssh.KeyImportError) as error:
        raise bad("Keypair data is invalid: failed to generate fingerprint") from error
    return hashlib.md5(blob).digest().hex(":")
