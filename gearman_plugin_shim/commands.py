"""Everything the bridge can ask for, as wishes. Frozen, plain, safe to cross threads.

Commands to one link are carried out in their order. Commands to a master may be carried out side
by side; each is answered by the event named in its docstring, exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gearman_plugin_shim.model import BuildId, BuildRow, JobRef

# To the Gearman server.


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Make a connection that keeps itself open. Link names are never used twice."""

    link: str
    client_id: str
    functions: frozenset[str]
    #: jobs it may take, counted since it was made
    total: int
    #: what it could take by its idle executors, counted the same: who has most left asks first;
    #: None: it competes with none
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class SetFunctions:
    """The link's functions from now on; only the difference goes over the wire."""

    link: str
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class AllowJobs:
    """The link may take jobs until it has taken `total` since it was made; no more if it has."""

    link: str
    total: int
    #: as in OpenLink
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class RetireLink:
    """Unregister everything, take nothing more; close once the link's open jobs have ended."""

    link: str


@dataclass(frozen=True, slots=True)
class SendData:
    """WORK_DATA."""

    ref: JobRef
    data: bytes


@dataclass(frozen=True, slots=True)
class SendStatus:
    """WORK_STATUS."""

    ref: JobRef
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class CompleteJob:
    """WORK_COMPLETE: the job's one end."""

    ref: JobRef
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class FailJob:
    """WORK_EXCEPTION, where there is a text, and WORK_FAIL: the job's one end."""

    ref: JobRef
    exception: str | None = None


# To a master.


@dataclass(frozen=True, slots=True)
class PollComputers:
    """One request for all computers and what they run. ComputersSeen or PollFailed."""

    master: str
    #: with parameters, times and estimates of the builds that run
    detailed: bool = False


@dataclass(frozen=True, slots=True)
class PollJobs:
    """One request for all jobs. JobsSeen or PollFailed."""

    master: str


@dataclass(frozen=True, slots=True)
class PollQueue:
    """One request for the queue. QueueSeen or PollFailed."""

    master: str


@dataclass(frozen=True, slots=True)
class PostBuild:
    """Ask for a build, once: never repeated by the edge. BuildPosted."""

    master: str
    uuid: str
    #: full name
    job: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SeekBuild:
    """Look for a UUID in the queue and among the job's newest builds. BuildSought."""

    master: str
    uuid: str
    #: full name
    job: str
    queue_id: int | None = None


@dataclass(frozen=True, slots=True)
class FetchBuild:
    """Everything of one build. BuildFetched."""

    master: str
    id: BuildId


@dataclass(frozen=True, slots=True)
class CancelItem:
    """Take an item out of the queue. ItemCancelled."""

    master: str
    uuid: str
    #: full name
    job: str
    #: None where the master gives no ids: it is found by its UUID
    queue_id: int | None


@dataclass(frozen=True, slots=True)
class StopBuild:
    """Interrupt a running build. BuildStopped."""

    master: str
    id: BuildId


@dataclass(frozen=True, slots=True)
class DescribeBuild:
    """Set a build's description. BuildDescribed."""

    master: str
    id: BuildId
    html: str
    ref: JobRef


@dataclass(frozen=True, slots=True)
class SetOffline:
    """Set a computer temporarily offline unless it is offline already. OfflineSet.

    At most one is out for a computer: what the master has is a toggle.
    """

    master: str
    node: str
    url_name: str


# To the rest.


@dataclass(frozen=True, slots=True)
class KeepBuild:
    """Write a row, in place of what was kept of the same UUID. BuildKept, once it is on disk."""

    row: BuildRow
    #: counts the rows of this process
    serial: int


@dataclass(frozen=True, slots=True)
class ForgetBuilds:
    """Drop rows of ended builds that nobody will ask for again. Not answered."""

    #: epoch seconds: those that ended before
    before: float


@dataclass(frozen=True, slots=True)
class PublishEvent:
    """A build event for ZeroMQ and the history."""

    #: onStarted, onCompleted or onFinalized
    word: str
    #: a JSON object without newlines
    json: str
    #: the computer; "" is the master; None is not known
    node: str | None


class Severity(Enum):
    """How loud a notice is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    #: somebody must look
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something for the log: a fixed sentence and its fields."""

    severity: Severity
    text: str
    fields: tuple[tuple[str, object], ...] = ()


#: for the Gearman server
GearmanCommand = (
    OpenLink | SetFunctions | AllowJobs | RetireLink | SendData | SendStatus | CompleteJob | FailJob
)
#: for the master that they name
MasterCommand = (
    PollComputers
    | PollJobs
    | PollQueue
    | PostBuild
    | SeekBuild
    | FetchBuild
    | CancelItem
    | StopBuild
    | DescribeBuild
    | SetOffline
)
Command = GearmanCommand | MasterCommand | KeepBuild | ForgetBuilds | PublishEvent | Notice
