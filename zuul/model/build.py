"""What is known of one run of one job. (Run-time entities Build and BuildSet stand below.)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from zuul.model.layout import MergeMode


@dataclass(frozen=True, slots=True)
class Worker:
    """Who runs a build, as it told us; all optional (contract zuul.md 5.2)."""

    name: str | None = None
    hostname: str | None = None
    ips: tuple[str, ...] = ()
    fqdn: str | None = None
    program: str | None = None
    version: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildData:
    """The last data packet of a build, parsed; absent fields are None."""

    #: any JSON scalar
    number: str | int | float | None = None
    manager: str | None = None
    url: str | None = None
    worker: Worker = Worker()
    node_labels: tuple[str, ...] = ()
    node_name: str | None = None


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """The item of a series that did not merge."""

    project: str
    number: str
    patchset: str


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merger's answer."""

    merged: bool
    commit: str | None = None
    #: base URL under which this merger's repositories are served: ZUUL_URL
    zuul_url: str | None = None
    #: None: an original merger, which keeps no results to build on
    merger_id: str | None = None
    #: tree of `commit`, and of the commit that the last item was merged onto
    tree: str | None = None
    base_tree: str | None = None
    conflict: MergeConflict | None = None
    #: why it did not merge, when no conflict was the reason
    error: str | None = None


@dataclass(slots=True, eq=False)
class SeriesItem:
    """One item of a series to merge, linked to the item merged before it.

    Plain and constant but for one thing: once an item has merged, it is no longer part of any
    series, and a walk ends before it. A walk on another thread may see it or not; either series
    gives the same result, as the branch then holds what was left out.

    A series of N items that share their heads costs one object an item, not N: the merge driver
    names only the parent where the merger has it, and walks the links where it has not.
    """

    #: id of the MergeChanges that carried (or carries) this item
    request: str
    project: str
    connection: str
    merge_mode: MergeMode
    refspec: str
    branch: str
    #: `Z` + 32 hex digits
    zuul_ref: str
    number: str
    patchset: str
    ahead: SeriesItem | None = field(default=None, repr=False)
    merged: bool = False

    def mark_merged(self) -> None:
        """The change is in its branch. Lets go of what was ahead of it."""
        self.merged = True
        self.ahead = None

    def front_first(self) -> list[SeriesItem]:
        """The whole series, in merge order, this item last."""
        return list(self._back_first())[::-1]

    def _back_first(self) -> Iterator[SeriesItem]:
        item: SeriesItem | None = self
        while item is not None and (item is self or not item.merged):
            yield item
            item = item.ahead


#: results that the core itself gives (contract zuul.md 5.3)
SUCCESS = "SUCCESS"
SKIPPED = "SKIPPED"
CANCELED = "CANCELED"
RETRY_LIMIT = "RETRY_LIMIT"
EXCEPTION = "EXCEPTION"


@dataclass(frozen=True, slots=True)
class Build:
    """One run of one job; replaced, not changed, so that a status snapshot may keep it."""

    job: str
    #: ZUUL_UUID; None for a job that was never run (SKIPPED)
    id: str | None = None
    result: str | None = None
    #: epoch seconds
    launched_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    #: expected duration in seconds, fixed when the build starts; 0.0 unknown
    estimate: float = 0.0
    canceled: bool = False
    data: BuildData = BuildData()
    parameters: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedJob:
    """A job and its build as a report shows them."""

    name: str
    #: ZUUL_UUID; None for a job that was never run
    build: str | None
    #: the build's result, or what the job's definition says instead
    result: str
    #: where the report links to; the job's name where there is nothing to link to
    url: str
    voting: bool
    #: epoch seconds
    started_at: float | None
    ended_at: float | None
    node_name: str | None


class MergeState(Enum):
    """How far the ref of a build set is."""

    NEW = "new"
    PENDING = "pending"
    COMPLETE = "complete"


class BuildSet:
    """One attempt at all jobs of an item, on one base. Owned by its item."""

    __slots__ = (
        "base_tree",
        "builds",
        "canceled",
        "change_ids",
        "changes",
        "commit",
        "conflict",
        "merge_state",
        "previous",
        "request",
        "series",
        "series_head",
        "tree",
        "tries",
        "unable_to_merge",
        "zuul_url",
    )

    def __init__(self, previous: Mapping[str, Build] | None = None) -> None:
        #: by job name
        self.builds: dict[str, Build] = {}
        #: launches that ended without a result, by job name
        self.tries: dict[str, int] = {}
        self.merge_state = MergeState.NEW
        #: id of the request to merge or update that is out
        self.request: str | None = None
        #: what was asked to be merged; None for items that are no changes
        self.series: SeriesItem | None = None
        self.unable_to_merge = False
        self.conflict: MergeConflict | None = None
        self.commit: str | None = None
        self.tree: str | None = None
        self.base_tree: str | None = None
        self.zuul_url: str | None = None
        #: ZUUL_CHANGES and ZUUL_CHANGE_IDS, made once, of the series as it was asked for
        self.changes = ""
        self.change_ids = ""
        #: the first item of these
        self.series_head: SeriesItem | None = None
        #: its builds were cancelled for good: nothing more is launched, a new set must follow
        self.canceled = False
        #: the builds of the set before this one, by job name
        self.previous: Mapping[str, Build] = previous or {}

    @property
    def zuul_ref(self) -> str | None:
        """`Z` + 32 hex digits, once the merge was asked for."""
        return self.series.zuul_ref if self.series else None

    @property
    def is_untouched(self) -> bool:
        """Nothing was asked for yet: as good as a new one."""
        return self.merge_state is MergeState.NEW and not self.builds and not self.canceled
