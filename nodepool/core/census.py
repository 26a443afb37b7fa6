"""Census: how many nodes there are of what, kept up to date by each change of a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nodepool.model import Node, NodeState

_IDLE = frozenset((NodeState.BUILDING, NodeState.READY, NodeState.TEST))
#: they are not there for new builds, so new nodes need not keep away from their target
_PARKED = frozenset((NodeState.HOLD, NodeState.DELETE))


@dataclass(slots=True)
class Census:
    """Counts; a count of nothing is 0."""

    #: machines that take room, by provider
    room: Counter[str] = field(default_factory=Counter)
    #: those of them that are being deleted
    going: Counter[str] = field(default_factory=Counter)
    #: nodes by (label, target): on their way or ready, with a build, and not parked
    idle: Counter[tuple[str, str]] = field(default_factory=Counter)
    busy: Counter[tuple[str, str]] = field(default_factory=Counter)
    current: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: nodes by the job of which they are held
    held: Counter[str] = field(default_factory=Counter)

    def change(self, before: Node | None, after: Node | None) -> None:
        if before is not None:
            self._count(before, -1)
        if after is not None:
            self._count(after, 1)

    def _count(self, node: Node, by: int) -> None:
        place = (node.label, node.target)
        self.room[node.provider] += by * node.room
        if node.state is NodeState.DELETE:
            self.going[node.provider] += by * node.room
        if node.state in _IDLE:
            self.idle[place] += by
        elif node.is_busy:
            self.busy[place] += by
        if node.state not in _PARKED and node.delete_at is None:
            self.current[place] += by
        if node.state is NodeState.HOLD and node.job:
            self.held[node.job] += by


def take_census(nodes: Iterable[Node]) -> Census:
    census = Census()
    for node in nodes:
        census.change(None, node)
    return census
