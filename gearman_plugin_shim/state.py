"""What the bridge knows: masters, their builds, and the builds that Gearman asked for.

Owned by Bridge, changed by the functions of masters, groups, runs, builds and errands; nothing here
decides. Times are those of `now`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Final

from gearman_plugin_shim.commands import Command, Notice, Severity
from gearman_plugin_shim.events import Poll
from gearman_plugin_shim.functions import JobTable
from gearman_plugin_shim.model import (
    BridgeSettings,
    BuildId,
    BuildInfo,
    BuildRow,
    Computer,
    JobRef,
    MasterSettings,
)

#: builds of a master that ended lately: an older look may still show them
_ENDED_RUNS: Final = 5_000


class Health(Enum):
    """Whether a master serves."""

    #: has not answered since the start
    NEW = "new"
    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Look:
    """One kind of poll."""

    out: bool = False
    due: float = 0.0
    failures: int = 0
    #: when the newest answer was asked for
    asked_at: float = -inf


@dataclass(slots=True)
class Group:
    """Nodes that share a Gearman connection."""

    link: str
    #: what its nodes can do
    able: frozenset[str]
    nodes: tuple[str, ...]
    #: what is registered: able, less the jobs that must wait
    functions: frozenset[str]
    taken: int = 0
    total: int = 0
    capacity: int = 0


class RunPhase(Enum):
    """Where a build on a master is."""

    RUNNING = "running"
    #: no longer seen: its end is being read
    ENDING = "ending"
    #: ended; the last word waits for its node to be set offline
    HELD = "held"


@dataclass(slots=True)
class Run:
    """A build on a master, whoever asked for it."""

    id: BuildId
    info: BuildInfo
    #: what is known was true then
    seen_at: float
    phase: RunPhase = RunPhase.RUNNING
    executor: int = 0
    #: the build that Gearman asked for
    uuid: str | None = None
    identified: bool = False
    start_published: bool = False
    stop_sent: bool = False
    #: when it was last known to run
    alive_at: float = -inf
    fetch_due: float = 0.0
    #: since when it has no result, or is not to be found
    doubtful_since: float | None = None
    #: a bad result waits for a sign that the master lives on
    bad_since: float | None = None
    #: nobody knows how it ended
    lost: bool = False
    held_until: float = inf


@dataclass(slots=True)
class Master:
    """One master, as last seen."""

    settings: MasterSettings
    #: since when it does not serve
    down_since: float
    health: Health = Health.NEW
    #: login or permission was refused: nothing is taken before then
    denied_until: float = -inf
    denials: int = 0
    #: when it last failed to answer: it may have been stopped, and with it what ran
    shaken_at: float = -inf
    #: it is down because it refuses our login
    is_denied: bool = False
    #: builds were given up since it went down
    gave_up: bool = False
    #: its queue is to be looked at once
    queue_unseen: bool = False
    looks: dict[Poll, Look] = field(default_factory=lambda: {poll: Look() for poll in Poll})
    wants_details: bool = False
    computers: Mapping[str, Computer] = field(default_factory=dict)
    table: JobTable | None = None
    quieting_down: bool = False
    groups: dict[str, Group] = field(default_factory=dict)
    links_made: int = 0
    runs: dict[BuildId, Run] = field(default_factory=dict)
    ended_runs: OrderedDict[BuildId, None] = field(default_factory=OrderedDict)
    #: newest build of each job that has been accounted for
    floors: dict[str, int] | None = None
    fetches: set[BuildId] = field(default_factory=set)
    #: nodes with a request to set them offline out
    offlining: set[str] = field(default_factory=set)
    #: nodes of ended builds that are still to be set offline, and when to try again
    offline_owed: dict[str, str] = field(default_factory=dict)
    offline_due: float = 0.0
    #: who waits for the answer of a stop, or for a look at a build not known to us
    stops: dict[BuildId, list[JobRef]] = field(default_factory=dict)
    stop_lookups: dict[BuildId, list[JobRef]] = field(default_factory=dict)
    #: what has been warned of
    warned: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def management_link(self) -> str:
        return f"{self.name}/management"

    def remember_end(self, build: BuildId) -> None:
        self.ended_runs[build] = None
        while len(self.ended_runs) > _ENDED_RUNS:
            self.ended_runs.popitem(last=False)


class Phase(Enum):
    """Where a build that Gearman asked for is."""

    #: its row is being written
    KEEPING = "keeping"
    #: the master has been asked
    POSTING = "posting"
    #: nobody knows whether the master has it
    SEEKING = "seeking"
    QUEUED = "queued"
    #: being taken out of the queue
    CANCELLING = "cancelling"
    RUNNING = "running"


#: not known to run or to have run
WAITING: Final = frozenset(Phase) - {Phase.RUNNING}


@dataclass(slots=True)
class Build:
    """A build that Gearman asked for, until it has ended."""

    row: BuildRow
    phase: Phase
    #: None after a restart: a submission brings them again
    parameters: Mapping[str, str] | None = None
    #: Gearman jobs that wait for its end
    refs: list[JobRef] = field(default_factory=list)
    #: whose idle executor it counts on
    link: str | None = None
    serial: int = 0
    #: the job does not declare ZUUL_UUID
    anonymous: bool = False
    phase_since: float = 0.0
    bound_at: float = inf
    seek_out: bool = False
    seek_due: float = inf
    cancel_out: bool = False
    cancels: int = 0
    #: first look that did not find it, and how many did not
    absent_since: float | None = None
    absences: int = 0
    offline_due: float = 0.0
    #: a row the journal failed to write is to be written again
    keep_due: float = inf
    why: str = ""

    @property
    def uuid(self) -> str:
        return self.row.uuid


class State:
    """All of it, and the commands of this turn."""

    def __init__(self, settings: BridgeSettings, now: float) -> None:
        self.settings = settings
        self.now = now
        self.masters: dict[str, Master] = {}
        #: builds that have not ended, by UUID
        self.builds: dict[str, Build] = {}
        #: builds that have, oldest first
        self.ended: OrderedDict[str, BuildRow] = OrderedDict()
        #: rows of ended builds that the journal failed to write
        self.unkept: dict[str, float] = {}
        #: connections that stand; a link has more than one while old ones end their jobs
        self.connections: set[tuple[str, int]] = set()
        self.serial = 0
        self.due = now
        self.forget_due = now + 3600.0
        self._commands: list[Command] = []

    def emit(self, *commands: Command) -> None:
        self._commands += commands

    def take_commands(self) -> tuple[Command, ...]:
        commands, self._commands = tuple(self._commands), []
        return commands

    def wake(self, at: float) -> None:
        """Something is to be done then."""
        self.due = min(self.due, at)

    def notice(self, severity: Severity, text: str, /, **fields: object) -> None:
        self.emit(Notice(severity, text, tuple(fields.items())))

    def is_live(self, ref: JobRef) -> bool:
        """Whether the server still has the job."""
        return (ref.link, ref.generation) in self.connections

    def builds_of(self, master: Master) -> Iterable[Build]:
        return [build for build in self.builds.values() if build.row.master == master.name]
