"""Rows of nova's, glance's and neutron's JSON as nodepool's values, and the owner's mark."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from nodepool.model import CloudImage, FloatingIp, MachineKey, Owner, Server

#: the metadata key of the mark, and how long nova lets a value be
MARK = "nodepool"
MOST_VALUE = 255
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
_PUBLIC_NAMES = frozenset(("public", "Ext-Net"))
_ID_KEYS: dict[Literal["node", "image"], str] = {"node": "node_id", "image": "snapshot_image_id"}
#: glance's words as nova's
_IMAGE_STATUS = {
    "queued": "SAVING",
    "saving": "SAVING",
    "importing": "SAVING",
    "uploading": "SAVING",
    "active": "ACTIVE",
    "killed": "ERROR",
    "deactivated": "ACTIVE",
    "deleted": "DELETED",
    "pending_delete": "DELETED",
}


# -- the owner's mark ------------------------------------------------------------------------------


def write_mark(owner: Owner, image: str | None = None) -> str:
    """The value of the mark; `image` is left out where it would not fit."""
    row: dict[str, Any] = {"provider_name": owner.provider, _ID_KEYS[owner.key.kind]: owner.key.id}
    if owner.key.index:
        row["machine_index"] = owner.key.index
    if owner.nodepool_id is not None:
        row["nodepool_id"] = owner.nodepool_id
    full = json.dumps({**row, "image_name": image}) if image else ""
    return full if 0 < len(full) <= MOST_VALUE else json.dumps(row)


def server_metadata(owner: Owner, image: str) -> dict[str, str]:
    metadata = {MARK: write_mark(owner, image)}
    groups = json.dumps([owner.provider, image])
    if len(groups) <= MOST_VALUE:
        metadata["groups"] = groups
    return metadata


def read_mark(text: object) -> Owner | None:
    """None: it is not ours, or not to be understood: then we keep our hands off."""
    if not isinstance(text, str):
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("provider_name"), str):
        return None
    nodepool_id, index = row.get("nodepool_id"), row.get("machine_index", 0)
    if not isinstance(nodepool_id, str | None) or not _is_number(index):
        return None
    for kind, key in _ID_KEYS.items():
        if _is_number(row.get(key)):
            return Owner(row["provider_name"], MachineKey(kind, row[key], index), nodepool_id)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# -- rows ------------------------------------------------------------------------------------------


def read_server(row: Mapping[str, Any], public_networks: frozenset[str] = frozenset()) -> Server:
    """Raises KeyError, TypeError, AttributeError or ValueError for what is no row of a server."""
    addresses = row.get("addresses") or {}
    public_v4, public_v6, private_v4 = _addresses(addresses, _PUBLIC_NAMES | public_networks)
    return Server(
        id=str(row["id"]),
        status=str(row["status"]),
        name=str(row.get("name") or ""),
        public_v4=public_v4,
        public_v6=public_v6,
        private_v4=private_v4 or public_v4,
        owner=read_mark((row.get("metadata") or {}).get(MARK)),
        has_floating_ip=any(kind == "floating" for _, kind, _ in _each_address(addresses)),
    )


def _addresses(
    addresses: Mapping[str, Any], public_names: frozenset[str]
) -> tuple[str | None, str | None, str | None]:
    floating: list[str] = []
    public: list[str] = []
    routable: list[str] = []
    private: list[str] = []
    sixes: list[str] = []
    for network, kind, address in _each_address(addresses):
        if address.version == 6:
            if not address.is_link_local:
                sixes.append(str(address))
        elif kind == "floating":
            floating.append(str(address))
        else:
            if network in public_names:
                public.append(str(address))
            elif not any(address in block for block in _PRIVATE):
                routable.append(str(address))
            if network == "private" or kind == "fixed":
                private.append(str(address))
    firsts = (*floating, *public, *routable)
    return next(iter(firsts), None), next(iter(sixes), None), next(iter(private), None)


def _each_address(
    addresses: Mapping[str, Any],
) -> Iterator[tuple[str, str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    for network, rows in addresses.items():
        for row in [rows] if isinstance(rows, str) else rows:
            if isinstance(row, str):
                yield network, "", ipaddress.ip_address(row)
            else:
                kind = str(row.get("OS-EXT-IPS:type", ""))
                yield network, kind, ipaddress.ip_address(row["addr"])


def read_image(row: Mapping[str, Any]) -> CloudImage:
    word = str(row["status"])
    status = _IMAGE_STATUS.get(word.lower(), word.upper())
    return CloudImage(
        id=str(row["id"]),
        status=status,
        owner=read_mark(row.get(MARK)),
        name=str(row.get("name") or ""),
        is_snapshot=row.get("image_type") == "snapshot",
    )


def read_floating_ip(row: Mapping[str, Any]) -> FloatingIp:
    """Of neutron."""
    details = row.get("port_details") or {}
    server, port = details.get("device_id"), row.get("port_id")
    return FloatingIp(
        str(row["id"]),
        str(server) if server else None,
        read_mark(row.get("description")),
        str(port) if port else None,
    )


def read_nova_floating_ip(row: Mapping[str, Any]) -> FloatingIp:
    server = row.get("instance_id")
    return FloatingIp(str(row["id"]), str(server) if server else None)
