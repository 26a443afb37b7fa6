"""Servers, flavors, images, key pairs and limits as nova and glance write them.

What a microversion adds or takes away stands in the tables here; the contract tests compare them
with a real nova.
"""

from __future__ import annotations

import json
from hashlib import sha224
from typing import Any

from tests.sandbox.nova_model import (
    Flavor,
    FloatingIp,
    Image,
    Keypair,
    Quota,
    Server,
    fine_stamp,
    stamp,
)

Row = dict[str, Any]
Version = tuple[int, int]

#: glance's states as nova's image proxy tells them, with the progress in per cent
_IMAGE_STATUSES = {
    "queued": ("SAVING", 25),
    "saving": ("SAVING", 50),
    "active": ("ACTIVE", 100),
    "killed": ("ERROR", 0),
    "error": ("ERROR", 0),
}


class Rows:
    """Writes rows whose links begin with the addresses of the two services, without a slash at
    the end."""

    def __init__(self, compute_url: str, image_url: str) -> None:
        self._compute = compute_url
        self._image = image_url

    # -- servers -------------------------------------------------------------------------------

    def brief_server(self, server: Server) -> Row:
        return {"id": server.id, "name": server.name, "links": self._links("servers", server.id)}

    def server_text(self, server: Server, version: Version, *, in_list: bool) -> str:
        """The row as JSON; kept until the server changes."""
        key = (f"{version[0]}.{version[1]}", in_list)
        text = server.rows.get(key)
        if text is None:
            text = json.dumps(self.server(server, version, in_list=in_list))
            server.rows[key] = text
        return text

    def server(self, server: Server, version: Version, *, in_list: bool = False) -> Row:
        row: Row = {
            "id": server.id,
            "name": server.name,
            "status": server.status,
            "tenant_id": server.project.id,
            "user_id": server.user.id,
            "metadata": dict(server.metadata),
            "hostId": self._host_id(server),
            "image": {"id": server.image.id, "links": self._bookmark("images", server.image.id)},
            "flavor": self._flavor_of(server, version),
            "created": stamp(server.created),
            "updated": stamp(server.updated),
            "addresses": self.addresses(server, detailed=True),
            "accessIPv4": "",
            "accessIPv6": "",
            "links": self._links("servers", server.id),
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": server.zone,
            "config_drive": "True" if server.config_drive else "",
            "key_name": server.key_name,
            "OS-SRV-USG:launched_at": fine_stamp(server.launched),
            "OS-SRV-USG:terminated_at": fine_stamp(server.terminated),
            "OS-EXT-STS:task_state": server.task_state,
            "OS-EXT-STS:vm_state": server.vm_state,
            "OS-EXT-STS:power_state": server.power_state,
            "os-extended-volumes:volumes_attached": [],
            "security_groups": [{"name": "default"}],
        }
        if server.vm_state in ("building", "active"):
            row["progress"] = 0
        if server.fault is not None and server.fault_at is not None:
            message = {"code": 500, "created": stamp(server.fault_at), "message": server.fault}
            row["fault"] = message
        self._add_newer(row, server, version, in_list=in_list)
        return row

    def _add_newer(self, row: Row, server: Server, version: Version, *, in_list: bool) -> None:
        newer: list[tuple[Version, str, Any]] = [
            ((2, 9), "locked", False),
            ((2, 19), "description", server.description),
            ((2, 26), "tags", []),
            ((2, 63), "trusted_image_certificates", None),
            ((2, 73), "locked_reason", None),
            ((2, 90), "OS-EXT-SRV-ATTR:hostname", server.name.lower()),
            ((2, 96), "pinned_availability_zone", server.pinned_zone),
            ((2, 100), "scheduler_hints", {}),
        ]
        row.update({key: value for since, key, value in newer if version >= since})
        if version >= (2, 71) and not in_list:
            row["server_groups"] = []
        if version >= (2, 98):
            row["image"]["properties"] = {}

    def addresses(self, server: Server, *, detailed: bool = False) -> Row:
        """By network; floating ones beside the fixed one they belong to."""
        if server.network is None or server.address is None or not server.address_shown:
            return {}
        found: list[Row] = []
        floating = [ip.address for ip in server.floating]
        for kind, address in [("fixed", server.address), *(("floating", a) for a in floating)]:
            row: Row = {"version": 4, "addr": address}
            if detailed:
                row["OS-EXT-IPS:type"] = kind
                row["OS-EXT-IPS-MAC:mac_addr"] = server.mac
            found.append(row)
        return {server.network.name: found}

    def changed_server(self, server: Server, version: Version) -> Row:
        """The shorter row that answers a PUT."""
        row = self.server(server, version)
        short = {
            *("id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image"),
            *("flavor", "created", "updated", "accessIPv4", "accessIPv6", "links", "progress"),
            "OS-DCF:diskConfig",
        }
        kept = {key: value for key, value in row.items() if key in short}
        return {**kept, "addresses": self.addresses(server)}

    def created_server(self, server: Server) -> Row:
        return {
            "id": server.id,
            "links": self._links("servers", server.id),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            "adminPass": server.admin_pass,
        }

    def _flavor_of(self, server: Server, version: Version) -> Row:
        flavor = server.flavor
        if version < (2, 47):
            return {"id": flavor.id, "links": self._bookmark("flavors", flavor.id)}
        return {
            "original_name": flavor.name,
            "vcpus": flavor.vcpus,
            "ram": flavor.ram,
            "disk": flavor.disk,
            "ephemeral": 0,
            "swap": 0,
            "extra_specs": {},
        }

    def _host_id(self, server: Server) -> str:
        if server.task_state == "scheduling":
            return ""
        return sha224(server.project.id.encode() + b"sandbox").hexdigest()

    # -- the rest of nova ------------------------------------------------------------------------

    def flavor(self, flavor: Flavor, version: Version) -> Row:
        row: Row = {
            **self.brief_flavor(flavor, (2, 1)),
            "ram": flavor.ram,
            "disk": flavor.disk,
            "swap": "" if version < (2, 75) else 0,
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "vcpus": flavor.vcpus,
            "os-flavor-access:is_public": True,
        }
        if version < (2, 102):
            row.update({"OS-FLV-DISABLED:disabled": False, "rxtx_factor": 1.0})
        if version >= (2, 55):
            row["description"] = None
        if version >= (2, 61):
            row["extra_specs"] = {}
        return row

    def brief_flavor(self, flavor: Flavor, version: Version) -> Row:
        row: Row = {
            "id": flavor.id,
            "name": flavor.name,
            "links": self._links("flavors", flavor.id),
        }
        if version >= (2, 55):
            row["description"] = None
        return row

    def keypair(self, keypair: Keypair, user_id: str, version: Version, form: str) -> Row:
        """`form` is list, created or shown: three different sets of keys."""
        row: Row = {
            "name": keypair.name,
            "public_key": keypair.public_key,
            "fingerprint": keypair.fingerprint,
        }
        if version >= (2, 2):
            row["type"] = "ssh"
        if form != "list":
            row["user_id"] = user_id
        if form == "shown":
            row.update(
                id=keypair.number,
                created_at=fine_stamp(keypair.created),
                updated_at=None,
                deleted=False,
                deleted_at=None,
            )
        return row

    def image(self, image: Image, by_id: dict[str, Server]) -> Row:
        """As nova's image proxy writes it."""
        status, progress = _IMAGE_STATUSES[image.status]
        row: Row = {
            **self.brief_image(image),
            "metadata": dict(image.properties),
            "minDisk": image.min_disk,
            "minRam": image.min_ram,
            "created": stamp(image.created),
            "updated": stamp(image.updated),
            "status": status,
            "progress": progress,
            "OS-EXT-IMG-SIZE:size": image.size or 0,
        }
        instance = image.properties.get("instance_uuid")
        if instance is not None:
            row["server"] = {"id": instance, "links": self._links("servers", instance)}
        return row

    def brief_image(self, image: Image) -> Row:
        alternate = {
            "rel": "alternate",
            "type": "application/vnd.openstack.image",
            "href": f"{self._image}/images/{image.id}",
        }
        links = [*self._links("images", image.id), alternate]
        return {"id": image.id, "name": image.name, "links": links}

    def glance_image(self, image: Image) -> Row:
        row: Row = {
            **image.properties,
            "id": image.id,
            "name": image.name,
            "status": image.status,
            "visibility": image.visibility,
            "owner": image.project_id,
            "created_at": stamp(image.created),
            "updated_at": stamp(image.updated),
            "size": image.size,
            "virtual_size": image.size,
            "checksum": image.checksum,
            "os_hash_algo": "sha512" if image.sha512 else None,
            "os_hash_value": image.sha512,
            "os_hidden": False,
            "protected": False,
            "min_disk": image.min_disk,
            "min_ram": image.min_ram,
            "disk_format": image.disk_format,
            "container_format": image.container_format,
            "tags": list(image.tags),
            "self": f"/v2/images/{image.id}",
            "file": f"/v2/images/{image.id}/file",
            "schema": "/v2/schemas/image",
        }
        if image.status == "active":
            row["stores"] = "os_files"
        return row

    def floating_ip(self, ip: FloatingIp, pool: str) -> Row:
        server = ip.server
        return {
            "id": ip.id,
            "ip": ip.address,
            "pool": pool,
            "fixed_ip": server.address if server else None,
            "instance_id": server.id if server else None,
        }

    # -- links -----------------------------------------------------------------------------------

    def next_link(self, name: str, query: str) -> Row:
        return {"rel": "next", "href": f"{self._compute}/v2.1/{name}?{query}"}

    def _links(self, kind: str, name: str) -> list[Row]:
        own = {"rel": "self", "href": f"{self._compute}/v2.1/{kind}/{name}"}
        return [own, *self._bookmark(kind, name)]

    def _bookmark(self, kind: str, name: str) -> list[Row]:
        return [{"rel": "bookmark", "href": f"{self._compute}/{kind}/{name}"}]


def limits(quota: Quota, servers: list[Server], floating_ips: int, version: Version) -> Row:
    """The project's absolute limits and what is used of them."""
    row: Row = {
        "maxServerMeta": 128,
        "maxTotalInstances": quota.instances,
        "maxTotalCores": quota.cores,
        "maxTotalRAMSize": quota.ram,
        "maxTotalKeypairs": quota.key_pairs,
        "maxServerGroups": 10,
        "maxServerGroupMembers": 10,
        "totalInstancesUsed": len(servers),
        "totalCoresUsed": sum(server.flavor.vcpus for server in servers),
        "totalRAMUsed": sum(server.flavor.ram for server in servers),
        "totalServerGroupsUsed": 0,
    }
    if version < (2, 36):
        row.update(
            maxSecurityGroups=-1,
            maxSecurityGroupRules=-1,
            maxTotalFloatingIps=quota.floating_ips,
            totalFloatingIpsUsed=floating_ips,
            totalSecurityGroupsUsed=0,
        )
    if version < (2, 39):
        row["maxImageMeta"] = 128
    if version < (2, 57):
        row.update(maxPersonality=5, maxPersonalitySize=10240)
    return {"limits": {"rate": [], "absolute": row}}
