"""Everything that can happen, as past-tense facts. Frozen, plain, safe to cross threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from zuul.core.messages import ReportOptions
from zuul.core.requests import BrakesRestored, Request
from zuul.model.build import BuildData, MergeResult
from zuul.model.change import Change, Changeish
from zuul.model.layout import Layout
from zuul.model.trigger import TriggerEvent


@dataclass(frozen=True, slots=True)
class TriggerReceived:
    """A trigger heard something; the driver has looked up what it is about."""

    event: TriggerEvent
    #: what the event is about; None if it concerns no change or ref (or was not looked up because
    #: no filter of the layout wants the event and no pipeline holds the change)
    subject: Changeish | None = None
    #: the subject and all its relatives (needs and needed-by, transitively), fresh from the server
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangesRefreshed:
    """News of changes without an event, e.g. after a reconnect."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class MergeCompleted:
    """The answer to MergeChanges."""

    request: str
    result: MergeResult


@dataclass(frozen=True, slots=True)
class RepoUpdated:
    """The answer to UpdateRepo; a failed update still lets the builds run (contract 6.1)."""

    request: str
    zuul_url: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """A worker took the build; sent once, with the first packet."""

    build: str
    data: BuildData
    #: epoch seconds at which the packet arrived
    at: float


@dataclass(frozen=True, slots=True)
class BuildUpdated:
    """A later data packet of a running build."""

    build: str
    data: BuildData


@dataclass(frozen=True, slots=True)
class BuildCompleted:
    """The build's one end. `result` None: it got lost, try again (contract 3.8)."""

    build: str
    result: str | None
    #: the last data packet; None if none ever came
    data: BuildData | None
    at: float


@dataclass(frozen=True, slots=True)
class ReportCompleted:
    """The answer to SendReport, once every reporter has answered or timed out."""

    report: str
    #: reporters existed, and each did as it was told
    reported: bool
    #: whether the change is merged; None if the report was to submit nothing
    merged: bool | None = None
    #: the branch was no longer what the change was tested on: nothing was voted or submitted,
    #: the item must be tested again
    base_moved: bool = False
    #: the change merged to another tree than the tested one: the queue must stop
    tree_mismatch: str | None = None
    #: for the log and status.json: why it was not reported or merged
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LayoutLoaded:
    """A valid layout was read, at start or on SIGHUP."""

    layout: Layout
    #: what zuul.conf says of reports by now; None: as before
    options: ReportOptions | None = None


@dataclass(frozen=True, slots=True)
class GracefulExitRequested:
    """Finish what runs, start no new item: triggers wait until the next start."""


Event = (
    TriggerReceived
    | ChangesRefreshed
    | MergeCompleted
    | RepoUpdated
    | BuildStarted
    | BuildUpdated
    | BuildCompleted
    | ReportCompleted
    | LayoutLoaded
    | GracefulExitRequested
    | BrakesRestored
    | Request
)

#: what people decide goes before what machines tell
MANAGEMENT: tuple[type, ...] = (
    LayoutLoaded,
    GracefulExitRequested,
    BrakesRestored,
    *get_args(Request),
)
