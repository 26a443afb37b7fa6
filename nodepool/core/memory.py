"""What is known of things under way, in memory only: a restart finds it anew, or begins anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from nodepool.core.steps import Step
from nodepool.model import MachineKey, NodeState


@dataclass(slots=True)
class Boot:
    """A server on its way from the create call to SSH."""

    key: MachineKey
    provider: str
    step: Step
    started_at: float
    #: since when it is ACTIVE without an address, and how many lists showed it so after that
    bare_at: float | None = None
    bare_lists: int = 0


@dataclass(slots=True)
class Launch:
    """A node on its way to ready."""

    started_at: float
    step: Step = Step.CREATE
    #: when SSH answered on its first machine
    reached_at: float | None = None
    #: its test job has succeeded
    tested: bool = False

    def seconds(self, now: float) -> float:
        """What the contract measures: from the create call to SSH, or to the failure before.
        Subnodes are measured by themselves."""
        return (self.reached_at or now) - self.started_at


@dataclass(slots=True)
class Known:
    """A server that has a row."""

    key: MachineKey
    #: lists asked for earlier cannot tell that it is gone
    since: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Builds on a node that a question is out for, and what the node was then."""

    #: epoch seconds
    since: float
    state: NodeState
    job: str | None


@dataclass(slots=True)
class Unheard:
    """Builds of one target of which nobody may have heard. By node."""

    #: to be asked for: since when
    waiting: dict[int, float] = field(default_factory=dict)
    asked: dict[int, Asked] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outage:
    """Of a target that takes no nodes now."""

    #: epoch seconds
    since: float
    #: one line of bounded length
    reason: str
