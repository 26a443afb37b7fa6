"""A database with daemons on it, at a time of its own; nodes and images to write."""

from __future__ import annotations

from typing import Any

from nodepool.db.database import Database
from nodepool.db.lease import Lease
from nodepool.db.schema import NODE
from nodepool.db.store import Store
from nodepool.model import Machine, Node, NodeState, SnapshotImage
from zuul.lib.secret import Secret

TTL = 15.0


class Clock:
    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        self.pauses.append(seconds)


class Site:
    """A database, and daemons on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.database = Database(Secret(url), busy_seconds=0.2)
        self.database.migrate()
        self.lease = self.new_lease("one")
        assert self.lease.take()
        self.store = self.new_store(self.lease)
        self.store.load()

    def new_lease(self, holder: str) -> Lease:
        return Lease(self.database, holder, TTL, self.clock)

    def new_store(self, lease: Lease) -> Store:
        return Store(self.database, lease, 60.0, self.clock.pause, self.clock)

    def set_state(self, node_id: int, state: int, comment: str | None = None) -> None:
        """As a person does, by hand."""
        this = NODE.update().where(NODE.c.id == node_id)
        with self.database.write() as connection:
            connection.execute(this.values(state=state, comment=comment))

    def only(self) -> Node:
        nodes, _, _ = self.new_store(self.lease).load()
        assert len(nodes) == 1
        return nodes[0]


def new_node(site: Site, machines: int = 1, **values: Any) -> Node:
    number = site.store.next_node()
    names = [
        f"n-{number}.example.org",
        *(f"n-{number}-{i}.example.org" for i in range(1, machines)),
    ]
    given = {"nodename": f"n-{number}", **values}
    made = tuple(Machine(name) for name in names)
    return Node(number, "cloud", "label", "jenkins", NodeState.BUILDING, 100.0, made, **given)


def new_image(site: Site) -> SnapshotImage:
    number = site.store.next_image()
    return SnapshotImage(number, "cloud", "precise", NodeState.BUILDING, 90.0, "precise", 90)
