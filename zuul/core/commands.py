"""Everything the core can ask for, as imperative wishes. Frozen, plain, safe to cross threads.

Each command that needs an answer carries an id that comes back in exactly one event, whatever
happens: the drivers see to it that every wait ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zuul.model.brakes import Freeze, Hold
from zuul.model.build import ReportedJob
from zuul.model.build import SeriesItem as SeriesItem
from zuul.model.change import Changeish, ChangeKey
from zuul.model.layout import ActionKind, Precedence, ReportAction


@dataclass(frozen=True, slots=True)
class LaunchBuild:
    """Submit a build to Gearman. Answers: BuildStarted (at most one), BuildCompleted (one)."""

    #: ZUUL_UUID and Gearman unique, 32 hex digits
    build: str
    job: str
    #: `build:JOB` or `build:JOB:NODE`
    function: str
    parameters: Mapping[str, str | None]
    precedence: Precedence


@dataclass(frozen=True, slots=True)
class CancelBuild:
    """Take a build out of the Gearman queue, or stop it. Its end is still told, once."""

    build: str


@dataclass(frozen=True, slots=True)
class DescribeBuild:
    """Give a running or finished build a description in HTML; nothing is answered."""

    build: str
    html: str


@dataclass(frozen=True, slots=True)
class MergeChanges:
    """Merge `item` on top of the items ahead of it. Answer: MergeCompleted."""

    request: str
    item: SeriesItem
    precedence: Precedence


@dataclass(frozen=True, slots=True)
class UpdateRepo:
    """Bring a merger's clone up to date. Answer: RepoUpdated."""

    request: str
    project: str
    connection: str
    precedence: Precedence


@dataclass(frozen=True, slots=True)
class TestedState:
    """What passed: a submit is right only from `base_tree` to `tree`. None: merger did not say."""

    commit: str | None
    tree: str | None
    base_tree: str | None

    __test__ = False  # not a test class, whatever pytest thinks of its name


@dataclass(frozen=True, slots=True)
class SendReport:
    """Tell reporters. Answer: ReportCompleted. Reports on one change keep their order."""

    report: str
    pipeline: str
    kind: ActionKind
    change: Changeish
    #: the connection that supplied the change: it says whether the change merged
    source: str
    reporters: tuple[ReportAction, ...]
    message: str
    #: set when the report is to merge the change: the change must then be re-checked, submitted by
    #: its exact revision, and the merged tree compared
    submit: TestedState | None = None
    #: the message without job lines, and what those tell
    summary: str = ""
    jobs: tuple[ReportedJob, ...] = ()
    #: `Z` + 32 hex digits; None: nothing was merged for the item
    zuul_ref: str | None = None


@dataclass(frozen=True, slots=True)
class FindOpenChanges:
    """A change of the project has merged: look its open changes up, and tell of each one.

    Each comes back as TriggerReceived, of the connection `zuul`; there may be none.
    """

    connection: str
    project: str
    #: is not told of, whatever the server still says of it
    merged: ChangeKey


@dataclass(frozen=True, slots=True)
class KeepBrakes:
    """Keep all freezes and holds for the next start, before any request is answered that follows.

    Nothing is answered."""

    freezes: tuple[Freeze, ...]
    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """Tell a person what became of a request, once."""

    request: str
    #: why nothing was done; None: it was done
    error: str | None = None
    #: what else they should know
    note: str | None = None


@dataclass(frozen=True, slots=True)
class StopProcess:
    """Graceful exit is done: nothing runs any more."""


Command = (
    LaunchBuild
    | CancelBuild
    | DescribeBuild
    | MergeChanges
    | UpdateRepo
    | SendReport
    | FindOpenChanges
    | KeepBrakes
    | AnswerRequest
    | StopProcess
)
