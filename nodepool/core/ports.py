"""What the core is given from outside: numbers of rows, and somebody who watches.

What the edges must offer is told by commands.py (each call and its answers) and by `Ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nodepool.core.commands import Call, Row
from nodepool.core.events import Event, Step
from nodepool.core.pauses import Place
from nodepool.model import Heard, Node, NodeState, SnapshotImage


@dataclass(frozen=True, slots=True)
class Switches:
    """What this nodepool may do; the command line turns parts of it off."""

    #: nodes
    launches: bool = True
    #: builds of images
    images: bool = True
    #: of anything, in clouds and targets; what is to go waits in state delete
    deletes: bool = True


EVERYTHING = Switches()


class Numbers(Protocol):
    """Gives the rows their ids: a simulation by count, the daemon by the database's sequence."""

    def next_node(self) -> int:
        """A number that no node of this database ever had."""
        ...

    def next_image(self) -> int:
        """A number that no image of this database ever had."""
        ...


class Ledger(Protocol):
    """The database, as the daemon uses it for the core."""

    def nodepool_id(self) -> str:
        """Made at random when the database was made; never another."""
        ...

    def load(self) -> tuple[Sequence[Node], Sequence[SnapshotImage], Mapping[str, int]]:
        """All nodes, all images, and the nodes to hold by job."""
        ...

    def heard(self) -> Heard:
        """What was saved last; after `load`, so that nobody else saves any more."""
        ...

    def commit(self, rows: Sequence[Row]) -> Sequence[Event]:
        """All rows in one short transaction; RowChanged for each that a person changed before.

        Raises StoreError if it cannot be; then none of the rows is written.
        """
        ...


class Edge(Protocol):
    """Drivers behind one executor: they do calls and answer with events into the core's queue."""

    def submit(self, call: Call) -> None:
        """Never blocks, never raises; the answers are events."""
        ...


class Observer(Protocol):
    """Sees what happens, decides nothing: the log and statsd stand behind it.

    Durations are seconds.
    """

    def node_changed(self, node: Node, before: NodeState | None) -> None:
        """A node came to be, or took another state."""
        ...

    def launch_step(self, node: Node, step: Step) -> None: ...

    def launch_ended(self, node: Node, stat_key: str, seconds: float, text: str) -> None:
        """`stat_key`: the last part of `nodepool.launch.…`: ready, or error.…; `seconds`: from the
        create call to SSH, or to the failure."""
        ...

    def subnode_launched(self, node: Node, index: int, stat_key: str, seconds: float) -> None:
        """As launch_ended, of the machine `index` (from 1), once SSH answers there. Those that do
        not when the node's launch fails end with it, under its key."""
        ...

    def node_removed(self, node: Node, seconds: float) -> None:
        """All of it is proven gone; `seconds` since its state became DELETE."""
        ...

    def job_ended(self, node: Node, job: str, branch: str | None, seconds: float) -> None:
        """A build succeeded on the node."""
        ...

    def node_held(self, node: Node, job: str) -> None: ...

    def hold_ended(self, node: Node, seconds: float) -> None:
        """It was held for `seconds`, as long as the configuration lets it, and is deleted."""
        ...

    def event_passed_over(self, nodename: str, job: str, reason: str) -> None:
        """A build event that changes nothing."""
        ...

    def event_made_up(self, node: Node, reason: str) -> None:
        """A survey showed what no build event told."""
        ...

    def image_changed(self, image: SnapshotImage, before: NodeState | None) -> None: ...

    def image_ended(self, image: SnapshotImage, seconds: float, problem: str) -> None:
        """A build of an image is over; `problem` is empty if it went well."""
        ...

    def image_forgotten(self, image: SnapshotImage) -> None:
        """Its row went by a person's word; what it names may still be there."""
        ...

    def server_leaked(self, provider: str, server_id: str, name: str) -> None:
        """A server of ours without a row; it is deleted."""
        ...

    def provider_refused(self, provider: str, text: str, pause: float) -> None:
        """It said no, or its servers go to ERROR: no more creates there for `pause` seconds."""
        ...

    def launches_paused(self, place: Place, text: str, pause: float) -> None:
        """They fail there, one after the other: none for `pause` seconds, and then one at a time.
        Told again for each pause that follows."""
        ...

    def launches_resumed(self, place: Place) -> None:
        """One went well, or another configuration may have mended it."""
        ...
