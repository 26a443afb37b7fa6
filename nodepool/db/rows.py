"""Rows of tables <-> values of nodepool.model, and requests. Pure.

Rows may be of Nodepool 0.x, or changed by a person: what cannot be read is logged with row and
column and taken in the way that loses no server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from nodepool.core.events import ImageDeletionRequested, ImageRequested, Request, RequestGarbled
from nodepool.db.schema import LENGTH
from nodepool.host_keys import read_host_keys, write_host_keys
from nodepool.model import Heard, Machine, Node, NodeState, Presence, SnapshotImage
from zuul.lib.logs import fields

log = logging.getLogger("nodepool.NodeDatabase")

#: SQLAlchemy's RowMapping, by column
Values = Mapping[Any, Any]


def clean(text: str | None, length: int = LENGTH) -> str | None:
    """What every database takes: no NUL, no half characters, not too long."""
    if text is None:
        return None
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return whole.replace("\0", "")[:length]


def node_values(node: Node) -> dict[str, Any]:
    """All columns but `id` and `written_state`."""
    machine = node.machines[0]
    return {
        "provider_name": clean(node.provider),
        "label_name": clean(node.label),
        "target_name": clean(node.target),
        "manager_name": clean(node.manager),
        "nodename": clean(node.nodename),
        "az": clean(node.az),
        "state": int(node.state),
        "state_time": int(node.state_at),
        "comment": clean(node.comment),
        "image_id": node.image_id,
        "registered": node.registered,
        "job_name": clean(node.job, 4096),
        "delete_at": node.delete_at,
        **_machine_values(machine),
    }


def subnode_values(node: Node) -> list[dict[str, Any]]:
    return [
        {
            "node_id": node.id,
            "position": position,
            "state": int(node.state),
            "state_time": int(node.state_at),
            **_machine_values(machine),
        }
        for position, machine in enumerate(node.machines[1:], 1)
    ]


def image_values(image: SnapshotImage) -> dict[str, Any]:
    """All columns but `id`."""
    machine = image.machine
    return {
        "provider_name": clean(image.provider),
        "image_name": clean(image.image),
        "hostname": clean(image.hostname),
        "version": image.version,
        "external_id": clean(image.external_id),
        "server_external_id": clean(machine.server_id),
        "state": int(image.state),
        "state_time": int(image.state_at),
        "server_presence": machine.presence.value,
        "server_hostname": clean(machine.hostname),
        "server_ip": clean(machine.ip),
        "server_ip_private": clean(machine.ip_private),
        "server_floating_ip": clean(machine.floating_ip),
        "server_host_keys": write_host_keys(machine.host_keys),
        "server_mark": clean(machine.mark),
        "presence": image.presence.value,
        "keypair": clean(image.keypair),
        "proven": image.proven,
        "failures": image.failures,
    }


def read_node(row: Values, subnodes: Iterable[Values]) -> Node:
    """`subnodes`: those of the node, by position."""
    hostname = row["hostname"] or ""
    return Node(
        id=row["id"],
        provider=row["provider_name"],
        label=row["label_name"],
        target=row["target_name"],
        state=read_state("node", row),
        state_at=float(row["state_time"] or 0),
        machines=(_read_machine("node", row), *(_read_machine("subnode", s) for s in subnodes)),
        nodename=row["nodename"] or hostname.partition(".")[0],
        az=row["az"],
        image_id=row["image_id"],
        manager=row["manager_name"],
        comment=row["comment"],
        registered=bool(row["registered"]),
        job=row["job_name"],
        delete_at=row["delete_at"],
    )


def read_image(row: Values) -> SnapshotImage:
    server_id = row["server_external_id"]
    return SnapshotImage(
        id=row["id"],
        provider=row["provider_name"],
        image=row["image_name"],
        state=read_state("snapshot_image", row),
        state_at=float(row["state_time"] or 0),
        hostname=row["hostname"] or "",
        version=row["version"] or 0,
        machine=Machine(
            hostname=row["server_hostname"] or "",
            presence=_presence("snapshot_image", row, "server_presence", server_id),
            server_id=server_id,
            ip=row["server_ip"],
            ip_private=row["server_ip_private"],
            floating_ip=row["server_floating_ip"],
            mark=row["server_mark"],
            host_keys=_host_keys("snapshot_image", row, "server_host_keys"),
        ),
        external_id=row["external_id"],
        presence=_presence("snapshot_image", row, "presence", row["external_id"]),
        keypair=row["keypair"],
        proven=bool(row["proven"]),
        failures=row["failures"] or 0,
    )


def read_holds(rows: Sequence[Values]) -> dict[str, int]:
    """Nodes to hold by job; of a job that is there twice, the more."""
    holds: dict[str, int] = {}
    for row in rows:
        count = row["hold_on_failure"] or 0
        if row["name"] and count > holds.get(row["name"], 0):
            holds[row["name"]] = count
    return holds


def heard_values(heard: Heard) -> list[dict[str, Any]]:
    """All rows of `heard`, with all columns."""
    named = (("publisher", heard.publishers), ("target", heard.targets))
    rows = [(kind, name, until) for kind, found in named for name, until in found.items()]
    return [
        {"id": number, "kind": kind, "name": clean(name), "heard_until": until}
        for number, (kind, name, until) in enumerate(rows, 1)
    ]


def read_heard(rows: Iterable[Values]) -> Heard:
    """Of a name that is there twice, cut short perhaps, the earlier moment."""
    found: dict[str, dict[str, float]] = {"publisher": {}, "target": {}}
    for row in rows:
        if row["kind"] not in found or not isfinite(row["heard_until"]):
            _complain("heard", row, "kind" if row["kind"] not in found else "heard_until")
            continue
        moments = found[row["kind"]]
        until = float(row["heard_until"])
        moments[row["name"]] = min(until, moments.get(row["name"], until))
    return Heard(found["publisher"], found["target"])


def read_request(row: Values) -> Request:
    """Of `image_request`."""
    number = row["id"]
    if row["action"] == "update" and row["provider_name"] and row["image_name"]:
        return ImageRequested(row["provider_name"], row["image_name"], number)
    if row["action"] in ("delete", "forget") and row["image_id"] is not None:
        return ImageDeletionRequested(row["image_id"], number, row["action"] == "forget")
    _complain("image_request", row, "action")
    return RequestGarbled(number)


def read_state(table: str, row: Values) -> NodeState:
    """An unknown one is HOLD: nothing is lost, and a person will see it."""
    try:
        return NodeState(row["state"])
    except ValueError:
        _complain(table, row, "state")
        return NodeState.HOLD


def _machine_values(machine: Machine) -> dict[str, Any]:
    return {
        "hostname": clean(machine.hostname),
        "external_id": clean(machine.server_id),
        "ip": clean(machine.ip),
        "ip_private": clean(machine.ip_private),
        "presence": machine.presence.value,
        "floating_ip": clean(machine.floating_ip),
        "host_keys": write_host_keys(machine.host_keys),
        "mark": clean(machine.mark),
    }


def _read_machine(table: str, row: Values) -> Machine:
    return Machine(
        hostname=row["hostname"] or "",
        presence=_presence(table, row, "presence", row["external_id"]),
        server_id=row["external_id"],
        ip=row["ip"],
        ip_private=row["ip_private"],
        floating_ip=row["floating_ip"],
        mark=row["mark"],
        host_keys=_host_keys(table, row, "host_keys"),
    )


def _presence(table: str, row: Values, column: str, external_id: str | None) -> Presence:
    try:
        return Presence(row[column])
    except ValueError:
        _complain(table, row, column)
        return Presence.EXISTS if external_id else Presence.ASKED


def _host_keys(table: str, row: Values, column: str) -> tuple[str, ...]:
    try:
        return read_host_keys(row[column] or "")
    except ValueError:
        _complain(table, row, column)
        return ()


def _complain(table: str, row: Values, column: str) -> None:
    value = str(row[column])[:LENGTH]
    about = fields(table=table, row=row["id"], column=column, value=value)
    log.error("Value in the database not understood %s", about)
