"""What a Jenkins tells of jobs and their builds, as values. Pure.

Everything may raise TargetError: a list of which a part cannot be read is none, as it would hide
builds. Masters of all ages are asked the same, but for ranges, which came with Jenkins 1.568; an
old one tells all builds of a job at once, or the newest hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nodepool.core.build_events import ListedBuild, wants_offline
from nodepool.errors import TargetError

#: folders within folders, as deep as the bridge looks
_DEPTH: Final = 6
MOST_NAME: Final = 255
#: of one answer
MOST_ROWS: Final = 500_000
_JOB: Final = "name,lastBuild[number,timestamp]"
_ROW: Final = "number,builtOn,timestamp"
BUILD_TREE: Final = (
    "number,builtOn,timestamp,building,result,duration,actions[parameters[name,value]]"
)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job that was ever built."""

    #: folders and name
    full_name: str
    #: epoch seconds of the start of its newest build
    last_at: float

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class BuildRow:
    """A build."""

    number: int
    started_at: float
    #: "": the master itself; None: no one node, or not known yet
    nodename: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a job's builds, newest first."""

    rows: tuple[BuildRow, ...]
    #: there are no older ones
    is_last: bool


def jobs_tree() -> str:
    """Jobs in folders are asked for level by level: `tree=` has no recursion."""
    tree = _JOB
    for _ in range(_DEPTH):
        tree = f"{_JOB},jobs[{tree}]"
    return f"jobs[{tree}]"


def builds_tree(start: int | None = None, end: int | None = None) -> str:
    """Without a range: as many as the master cares to tell."""
    if start is None:
        return f"firstBuild[number],builds[{_ROW}]"
    return f"firstBuild[number],allBuilds[{_ROW}]{{{start},{end}}}"


def parse_jobs(found: Mapping[str, Any]) -> list[JobRow]:
    """Every job that has builds, in folders too. Configurations of a matrix are no jobs of their
    own: a build of theirs is not found, as the bridge registers none of them."""
    rows = list(_jobs_below(found, "", 0))
    if len(rows) > MOST_ROWS:
        raise TargetError(f"shows {len(rows)} jobs")
    return rows


def _jobs_below(found: Mapping[str, Any], folder: str, depth: int) -> Iterator[JobRow]:
    for row in _rows(found.get("jobs"), "jobs"):
        name = row.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME:
            raise TargetError("shows a job without a name")
        if isinstance(row.get("jobs"), list) and depth < _DEPTH:
            yield from _jobs_below(row, f"{folder}{name}/", depth + 1)
            continue
        last = row.get("lastBuild")
        if last is None:
            continue  # never built, or nothing that is
        if not isinstance(last, dict):
            raise TargetError("shows a job whose lastBuild is no object")
        yield JobRow(folder + name, _time(last.get("timestamp")))


def parse_page(found: Mapping[str, Any], size: int | None) -> Page | None:
    """`size`: how many were asked for; None: no range was. None: the master knows no such list."""
    key = "builds" if size is None else "allBuilds"
    if key not in found:
        return None
    rows = tuple(_build_row(row) for row in _rows(found[key], key))
    first = found.get("firstBuild")
    oldest = first.get("number") if isinstance(first, dict) else None
    is_last = not rows if size is None else len(rows) < size
    if isinstance(oldest, int) and rows:
        is_last = is_last or rows[-1].number <= oldest
    return Page(rows, is_last)


def _build_row(row: Mapping[str, Any]) -> BuildRow:
    return BuildRow(_number(row.get("number")), _time(row.get("timestamp")), _node(row))


def _node(row: Mapping[str, Any]) -> str | None:
    node = row.get("builtOn")
    return node if isinstance(node, str) and len(node) <= MOST_NAME else None


def parse_build(job: JobRow, found: Mapping[str, Any]) -> ListedBuild | None:
    """None: on which node it is, or was, is not told."""
    row = _build_row(found)
    building, result = found.get("building"), found.get("result")
    if not isinstance(building, bool):
        raise TargetError("shows a build that neither runs nor is over")
    if not row.nodename:
        return None
    known = isinstance(result, str) and len(result) <= MOST_NAME and not building
    parameters = _parameters(found)
    branch = parameters.get("ZUUL_BRANCH")
    return ListedBuild(
        nodename=row.nodename,
        job=job.name,
        number=row.number,
        started_at=row.started_at,
        building=building,
        status=str(result) if known else None,
        seconds=None if building else _seconds(found.get("duration")),
        branch=branch if isinstance(branch, str) and len(branch) <= MOST_NAME else None,
        offline_wanted=wants_offline(parameters),
    )


def _parameters(found: Mapping[str, Any]) -> dict[str, Any]:
    """A later parameter of the same name wins, as in a build's environment."""
    parameters = {}
    actions = found.get("actions")
    for action in actions if isinstance(actions, list) else ():
        listed = action.get("parameters") if isinstance(action, dict) else None
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                value = one.get("value")
                parameters[one["name"]] = "true" if value is True else value
    return parameters


def _rows(value: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MOST_ROWS:
        raise TargetError(f"shows no {what}, or too many")
    for row in value:
        if not isinstance(row, dict):
            raise TargetError(f"shows one of {what} that is no object")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TargetError("shows a build without a number")
    return value


def _seconds(duration: object) -> float | None:
    if isinstance(duration, int) and not isinstance(duration, bool) and 0 <= duration < 1 << 53:
        return duration / 1000
    return None


def _time(value: object) -> float:
    """Milliseconds as seconds."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise TargetError("shows a build without a timestamp")
    return value / 1000
