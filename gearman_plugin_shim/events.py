"""Everything that can happen to the bridge, as facts. Frozen, plain, safe to cross threads.

Every command that asks something of a master is answered by exactly one event, whatever happens:
the edge sees to it that every wait ends. `asked_at` is when the request was sent: what an answer
tells was true at some time after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gearman_plugin_shim.model import (
    BuildId,
    BuildInfo,
    Computer,
    Failure,
    Job,
    JobRef,
    PostOutcome,
    QueueItem,
)


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """A Gearman connection stands and its functions are registered."""

    link: str
    generation: int


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A Gearman connection ended; the server has given up the jobs that came by it."""

    link: str
    generation: int


@dataclass(frozen=True, slots=True)
class JobTaken:
    """The Gearman server assigned a job."""

    ref: JobRef
    function: str
    unique: str
    payload: bytes
    #: jobs that the link has taken since it was made, this one among them
    taken: int


class Poll(Enum):
    """The looks at a master, one request each."""

    COMPUTERS = "computers"
    JOBS = "jobs"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class ComputersSeen:
    """Answer to PollComputers."""

    master: str
    asked_at: float
    computers: tuple[Computer, ...]
    #: running builds come with parameters, times and estimates
    detailed: bool


@dataclass(frozen=True, slots=True)
class JobsSeen:
    """Answer to PollJobs."""

    master: str
    asked_at: float
    jobs: tuple[Job, ...]
    quieting_down: bool


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """Answer to PollQueue."""

    master: str
    asked_at: float
    items: tuple[QueueItem, ...]


@dataclass(frozen=True, slots=True)
class PollFailed:
    """Answer to a look that did not work."""

    master: str
    poll: Poll
    failure: Failure


@dataclass(frozen=True, slots=True)
class BuildPosted:
    """Answer to PostBuild."""

    master: str
    uuid: str
    outcome: PostOutcome


@dataclass(frozen=True, slots=True)
class BuildSought:
    """Answer to SeekBuild: where the UUID is; nowhere if neither item nor build is given."""

    master: str
    uuid: str
    asked_at: float
    item: QueueItem | None = None
    #: every build with this UUID, oldest first
    builds: tuple[BuildInfo, ...] = ()
    #: the master says that the queue item was cancelled
    cancelled: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class BuildFetched:
    """Answer to FetchBuild; with failure NOT_FOUND there is no such build."""

    master: str
    id: BuildId
    asked_at: float
    build: BuildInfo | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ItemCancelled:
    """Answer to CancelItem. Without a failure the item has left the queue, in whatever way."""

    master: str
    uuid: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class BuildStopped:
    """Answer to StopBuild: the master has taken the wish."""

    master: str
    id: BuildId
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class BuildDescribed:
    """Answer to DescribeBuild."""

    #: the job that asked for it
    ref: JobRef
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class OfflineSet:
    """Answer to SetOffline: the node is offline, by us or before."""

    master: str
    #: the computer's name
    node: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class BuildKept:
    """Answer to KeepBuild: the row is on disk, or the journal failed."""

    uuid: str
    #: as in the command
    serial: int
    error: str | None = None


Event = (
    LinkOpened
    | LinkLost
    | JobTaken
    | ComputersSeen
    | JobsSeen
    | QueueSeen
    | PollFailed
    | BuildPosted
    | BuildSought
    | BuildFetched
    | ItemCancelled
    | BuildStopped
    | BuildDescribed
    | OfflineSet
    | BuildKept
)
