"""What is in a cloud account and in no row of the database (contract nodepool.md 12.7). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodepool.model import (
    CloudImage,
    Machine,
    MachineKey,
    Node,
    Owner,
    Presence,
    Server,
    SnapshotImage,
)


@dataclass(frozen=True, slots=True)
class Rows:
    """All there are, of every provider: several may be one account."""

    nodes: Sequence[Node]
    images: Sequence[SnapshotImage]
    #: what our servers carry where a provider has no id of its own
    nodepool_id: str
    #: of the providers that have
    own_ids: Mapping[str, str]

    def machines(self) -> dict[MachineKey, Machine]:
        found = {
            MachineKey("node", node.id, index): machine
            for node in self.nodes
            for index, machine in enumerate(node.machines)
        }
        return found | {MachineKey("image", each.id): each.machine for each in self.images}

    def is_mine(self, owner: Owner, machine: Machine) -> bool:
        """By the id that the row of the machine was given, if it was written down."""
        own = machine.mark or self.own_ids.get(owner.provider, self.nodepool_id)
        return owner.nodepool_id == own


def alien_servers(servers: Iterable[Server], rows: Rows) -> list[Server]:
    """Compat: subnodes and servers of image builds are known here; the originals listed them.

    `servers` must have been asked for before the rows were read: else a node just made is an alien.
    """
    machines = rows.machines()
    known = {each.server_id for each in machines.values() if each.server_id}

    def is_being_made(owner: Owner | None) -> bool:
        """It was asked for, and its id is not written down yet."""
        machine = machines.get(owner.key) if owner else None
        if owner is None or machine is None or machine.presence is not Presence.ASKED:
            return False
        return rows.is_mine(owner, machine)

    return [each for each in servers if each.id not in known and not is_being_made(each.owner)]


def alien_images(images: Iterable[CloudImage], rows: Rows) -> list[CloudImage]:
    """Only snapshots: the cloud's own images are nobody's business."""
    known = {each.external_id for each in rows.images if each.external_id}
    asked = {each.id: each for each in rows.images if each.presence is Presence.ASKED}

    def is_being_made(owner: Owner | None) -> bool:
        row = asked.get(owner.key.id) if owner else None
        return owner is not None and row is not None and rows.is_mine(owner, row.machine)

    return [
        each
        for each in images
        if each.is_snapshot and each.id not in known and not is_being_made(each.owner)
    ]
