"""Which builds ran on some nodes: a walk through a target's jobs that ends where nothing is new.

One request tells when each job was built last. Jobs that were not built since the moment that
matters are left alone; of the others builds are read page by page, the newest first, until one is
older. What it cost follows what was built meanwhile, and is bounded besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import WantedBuilds
from nodepool.drivers.build_rows import BuildRow, JobRow, Page

#: pages of one walk
MOST_PAGES = 300


class Builds(Protocol):
    """What is asked of the target; each may raise TargetError, `find_builds` lets it pass."""

    def list_jobs(self) -> Sequence[JobRow]: ...

    def list_builds(self, job: JobRow, start: int) -> Page | None:
        """Those from the place `start` on, the newest has place 0. None: no time is left."""
        ...

    def read_build(self, job: JobRow, number: int) -> ListedBuild | None:
        """None: there is none any more, or none on a node."""
        ...


@dataclass(slots=True)
class _Walk:
    target: Builds
    wanted: dict[str, WantedBuilds]
    pages: int
    found: list[tuple[JobRow, BuildRow]] = field(default_factory=list)
    #: epoch seconds: of those who want any job's builds, all that began later are known
    reached: float = -inf

    def take(self, job: JobRow, since: float) -> None:
        """All builds of a job that began since then."""
        start, oldest, seen = 0, job.last_at, set[int]()
        while True:
            page = self.target.list_builds(job, start) if self.pages > 0 else None
            self.pages -= 1
            if page is None:
                self.reached = max(self.reached, oldest)
                return
            for row in page.rows:
                oldest = min(oldest, row.started_at)
                # New builds push known ones onto the next page.
                if row.number not in seen and self._is_wanted(job, row):
                    self.found.append((job, row))
                seen.add(row.number)
            if page.is_last or oldest < since:
                return
            if not page.rows:
                # As an old master that tells no more than the newest.
                self.reached = max(self.reached, oldest)
                return
            start += len(page.rows)

    def _is_wanted(self, job: JobRow, row: BuildRow) -> bool:
        wanted = self.wanted.get(row.nodename or "")
        if wanted is None or row.started_at < wanted.since:
            return False
        return wanted.job in (None, job.name)


def find_builds(
    target: Builds, wanted: Iterable[WantedBuilds], *, pages: int = MOST_PAGES
) -> tuple[tuple[ListedBuild, ...], frozenset[str]]:
    """Builds on the wanted nodes; and those nodes that may have had more of them."""
    walk = _Walk(target, {each.nodename: each for each in wanted}, pages)
    rows = walk.wanted.values()
    since = min((each.since for each in rows if each.job is None), default=inf)
    # The newest first: where the walk has to end early, as much as can be is known.
    for job in sorted(target.list_jobs(), key=lambda each: each.last_at, reverse=True):
        own = min((each.since for each in rows if each.job == job.name), default=inf)
        if job.last_at >= since:
            own = min(own, since)
        if own < inf:
            walk.take(job, own)
    builds = [target.read_build(job, row.number) for job, row in walk.found]
    unsure = {each.nodename for each in rows if each.since <= walk.reached}
    return tuple(build for build in builds if build is not None), frozenset(unsure)
