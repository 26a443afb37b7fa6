"""TargetBuilds: the requests for jobs and builds that a walk through a target makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from nodepool.core.build_events import ListedBuild
from nodepool.drivers.build_rows import (
    BUILD_TREE,
    JobRow,
    Page,
    builds_tree,
    jobs_tree,
    parse_build,
    parse_jobs,
    parse_page,
)
from nodepool.errors import NoTurn, TargetError, TargetLacks
from zuul.lib.jenkins.errors import JenkinsBadAnswer, JenkinsRefused, JenkinsUnavailable
from zuul.lib.jenkins.paths import build_path, job_path
from zuul.lib.jenkins.session import JenkinsSession

T = TypeVar("T")
#: builds of one answer, where the master knows ranges
PAGE = 100


class Do(Protocol):
    """Makes a request in its turn. Raises NoTurn, TargetError."""

    def __call__(self, task: str, call: Callable[[], T], /) -> T: ...


class TargetBuilds:
    """For one walk (build_lists.Builds)."""

    def __init__(self, target: str, session: JenkinsSession, do: Do) -> None:
        self._target = target
        self._session = session
        self._do = do
        self._knows_ranges = True

    def list_jobs(self) -> list[JobRow]:
        return self._read("ListJobsTask", "", jobs_tree(), parse_jobs)

    def list_builds(self, job: JobRow, start: int) -> Page | None:
        path = job_path(job.full_name)
        try:
            page = self._page_of_range(path, start) if self._knows_ranges else None
            if page is None and start > 0:
                return Page((), is_last=False)
            if page is None:
                page = self._read(
                    "ListBuildsTask", path, builds_tree(), lambda found: parse_page(found, None)
                )
        except NoTurn:
            return None
        except TargetLacks:
            return Page((), is_last=True)
        if page is None:
            raise TargetError(f"target {self._target} shows no builds of {job.full_name}")
        return page

    def _page_of_range(self, path: str, start: int) -> Page | None:
        """None: the master does not know ranges. Jenkins refuses them then, Hudson breaks down."""

        def parse(found: dict[str, Any]) -> Page | None:
            return parse_page(found, PAGE)

        tree = builds_tree(start, start + PAGE)
        page = self._read("ListBuildsTask", path, tree, parse, may_refuse=True)
        self._knows_ranges = page is not None
        return page

    def read_build(self, job: JobRow, number: int) -> ListedBuild | None:
        path = build_path(job.full_name, number)
        try:
            return self._read(
                "GetBuildTask", path, BUILD_TREE, lambda found: parse_build(job, found)
            )
        except TargetLacks:
            return None

    def _read(
        self,
        task: str,
        path: str,
        tree: str,
        parse: Callable[[dict[str, Any]], T],
        *,
        may_refuse: bool = False,
    ) -> T:
        """`may_refuse`: what is no answer at all is parsed as an empty one."""

        def fetch() -> dict[str, Any]:
            try:
                return self._session.get_json(f"{path}api/json", {"tree": tree})
            except JenkinsBadAnswer:
                raise
            except (JenkinsUnavailable, JenkinsRefused):
                if not may_refuse:
                    raise
                return {}

        found = self._do(task, fetch)
        try:
            return parse(found)
        except TargetError as error:
            raise TargetError(f"target {self._target} {error} path=/{path}") from error
