"""What people ask for with the client, as facts; names were checked against the layout of then.

Each carries the id of a request that is answered once, with AnswerRequest.
"""

from __future__ import annotations

from dataclasses import dataclass

from zuul.model.brakes import Freeze, Hold
from zuul.model.change import Change, Changeish

#: number and patch set; the pipeline's source is the server
PatchSet = tuple[str, str]


@dataclass(frozen=True, slots=True)
class EnqueueRequested:
    """A change or ref shall enter a pipeline whose triggers and requirements are waived."""

    request: str
    pipeline: str
    #: the subject must be of it
    project: str
    subject: Changeish
    #: the subject and all its relatives, fresh from the server; empty for a ref
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class DequeueRequested:
    """Something shall leave a pipeline without a report. One of `change`, `ref`, `tick` is set."""

    request: str
    pipeline: str
    #: None only for a change
    project: str | None
    change: PatchSet | None = None
    ref: str | None = None
    #: what a timer enqueued
    tick: bool = False


@dataclass(frozen=True, slots=True)
class PromoteRequested:
    """Changes shall go first in their queue, in this order."""

    request: str
    pipeline: str
    changes: tuple[PatchSet, ...]


@dataclass(frozen=True, slots=True)
class FreezeRequested:
    """Nothing shall merge in its scope."""

    request: str
    freeze: Freeze


@dataclass(frozen=True, slots=True)
class UnfreezeRequested:
    """The freeze of exactly this scope shall end."""

    request: str
    pipeline: str | None
    project: str | None


@dataclass(frozen=True, slots=True)
class HoldRequested:
    """A change shall not merge."""

    request: str
    hold: Hold


@dataclass(frozen=True, slots=True)
class UnholdRequested:
    """The hold of exactly this change shall end; patch set None: that of all patch sets."""

    request: str
    pipeline: str
    number: str
    patchset: str | None


Request = (
    EnqueueRequested
    | DequeueRequested
    | PromoteRequested
    | FreezeRequested
    | UnfreezeRequested
    | HoldRequested
    | UnholdRequested
)


@dataclass(frozen=True, slots=True)
class BrakesRestored:
    """Freezes and holds of an earlier process, told before the first layout."""

    freezes: tuple[Freeze, ...]
    holds: tuple[Hold, ...]
