"""What a master is made of, as the bridge sees it: computers, jobs, queue items, builds.

Parsed once, at the edge; plain and frozen. Times are epoch seconds of one clock that never steps
back, the clock whose readings are handed to the bridge as `now`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class JobRef(NamedTuple):
    """A Gearman job, named so that it cannot be mistaken for another after a reconnect."""

    link: str
    #: which opening of the link's connection it came by; no two openings share one
    generation: int
    handle: bytes


class BuildId(NamedTuple):
    """A build on one master."""

    #: full name: folders and name, with slashes between
    job: str
    number: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a master, in whatever folder."""

    #: folders and name, with slashes between
    full_name: str
    #: None: no label, runs anywhere but on exclusive nodes
    label_expression: str | None = None
    #: False: disabled, or nothing that can be built
    buildable: bool = True
    #: False: one build at a time
    concurrent: bool = True
    #: names of declared parameters; None where the master did not tell
    parameters: frozenset[str] | None = None
    #: number of the newest build; 0 if there is none; None where the master did not tell
    last_build: int | None = None

    @property
    def name(self) -> str:
        """The short name: what Gearman functions carry."""
        return self.full_name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """A build as the master tells it."""

    id: BuildId
    #: None: not told (a look without details)
    parameters: Mapping[str, str] | None = None
    building: bool = True
    #: verbatim: SUCCESS, UNSTABLE, FAILURE, NOT_BUILT, ABORTED; None while it is not known
    result: str | None = None
    #: the computer: "" is the master itself; None if not told
    node: str | None = None
    #: when it began, epoch seconds of the master's clock; None if not told
    started_at: float | None = None
    #: milliseconds; None: none yet
    duration_ms: int | None = None
    #: milliseconds; -1: no estimate
    estimated_ms: int = -1
    #: absolute URL as the master tells it; None: it has no root URL
    url: str | None = None

    @property
    def uuid(self) -> str | None:
        """ZUUL_UUID, where it is told and not empty."""
        return (self.parameters or {}).get("ZUUL_UUID") or None


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor that runs something."""

    #: counted from 0 on its computer; -1: a one-off executor, which takes no place
    index: int
    build: BuildInfo


@dataclass(frozen=True, slots=True)
class Computer:
    """A node of a master, or the master itself."""

    #: "" for the master itself
    name: str
    #: what stands in URLs: the name, (master) or (built-in)
    url_name: str
    #: labels that the master assigns, its own name among them (master, built-in)
    labels: frozenset[str] = frozenset()
    executors: int = 1
    #: takes only jobs whose label expression it matches
    exclusive: bool = False
    #: by whatever cause
    offline: bool = False
    temporarily_offline: bool = False
    #: executors that run something, one-off ones too
    busy: tuple[Executor, ...] = ()
    #: for people, in build events; None: not told
    description: str | None = None


@dataclass(frozen=True, slots=True)
class QueueItem:
    """What waits in a master's queue."""

    id: int
    #: full name; None where the item is not a job's
    job: str | None
    uuid: str | None
    #: the master's words
    why: str = ""


class PostKind(Enum):
    """What became of the request for a build."""

    ACCEPTED = "accepted"
    #: nothing was queued, and asking again would not help
    REFUSED = "refused"
    #: nobody knows: it may be queued
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PostOutcome:
    """The answer to the request for a build."""

    kind: PostKind
    #: known where the master tells it
    queue_id: int | None = None
    #: HTTP status; 0: no answer
    status: int = 0
    #: for people
    reason: str = ""


class FailureKind(Enum):
    """Why a request did not do what it was to do."""

    #: no answer, an error of the server, or an answer that makes no sense
    UNAVAILABLE = "unavailable"
    #: login or permission: HTTP 401 or 403
    DENIED = "denied"
    #: HTTP 404: there is no such thing
    NOT_FOUND = "not found"
    #: any other refusal
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed, with a reason for people (no secrets in it)."""

    kind: FailureKind
    reason: str = ""


class Outcome(Enum):
    """How the life of a build that was asked for ended."""

    #: it ran and the master told a result
    RESULT = "result"
    #: it ran, or may have run, and nobody knows how it ended
    LOST = "lost"
    #: it provably never ran
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class BuildRow:
    """A build in the journal: what the bridge must know again after it was killed."""

    #: ZUUL_UUID
    uuid: str
    master: str
    #: full name
    job: str
    #: times it was, or is about to be, asked for: written before each request
    posts: int = 0
    queue_id: int | None = None
    number: int | None = None
    #: the computer it runs on; "" is the master itself
    node: str | None = None
    #: executor index, for the worker's name
    executor: int = 0
    url: str | None = None
    node_labels: tuple[str, ...] = ()
    started_at: float | None = None
    estimated_ms: int = -1
    #: the node is to be set offline
    offline_wanted: bool = False
    offline_done: bool = False
    #: somebody asked for it to be stopped
    stop_wanted: bool = False
    #: None while it may run
    outcome: Outcome | None = None
    result: str | None = None
    finished_at: float | None = None
    #: onStarted has been published
    start_published: bool = False
    #: when it was first asked for
    asked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class MasterSettings:
    """What the bridge has to know of a master's configuration."""

    name: str
    #: root URL without a slash at its end, for builds whose URL the master does not tell
    url: str = ""
    poll_seconds: float = 1.0
    jobs_poll_seconds: float = 5.0
    grace_seconds: float = 120.0
    queue_seconds: float = 60.0
    abort_on_disconnect: bool = False
    accept_undeclared_uuid: bool = False
    #: the master's host, in build events
    host_name: str = ""


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """All masters, and what holds for all."""

    masters: tuple[MasterSettings, ...] = field(default=())
    #: WORK_DATA with the UUID as number goes out before the build has one
    early_data: bool = False
    #: ended builds that are remembered, for those who submit them again
    remembered: int = 20_000
