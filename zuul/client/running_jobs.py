"""Running jobs as a table (contract zuul.md 11.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from zuul.client.table import duration, table_lines
from zuul.errors import RequestError

#: given a job's value and the time, what is shown
Show = Callable[[Any, float], str]

ALL = "ALL"
DEFAULT_COLUMNS = "name, worker.name, start_time, result"


def _text(value: Any, now: float) -> str:
    return "" if value is None else str(value)


def _yes_no(value: Any, now: float) -> str:
    return "Yes" if value else "No"


def _list(value: Any, now: float) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _map(value: Any, now: float) -> str:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return ", ".join(f"{key}={each}" for key, each in pairs)


def _since(value: Any, now: float) -> str:
    return duration(now - value) if isinstance(value, (int, float)) else ""


def _seconds(value: Any, now: float) -> str:
    return duration(value) if isinstance(value, (int, float)) else ""


def _milliseconds(value: Any, now: float) -> str:
    return duration(value / 1000) if isinstance(value, (int, float)) else ""


COLUMNS: Mapping[str, tuple[str, Show]] = {
    "name": ("Job Name", _text),
    "elapsed_time": ("Elapsed Time", _milliseconds),
    "remaining_time": ("Remaining Time", _milliseconds),
    "url": ("URL", _text),
    "result": ("Result", _text),
    "voting": ("Voting", _yes_no),
    "uuid": ("UUID", _text),
    "launch_time": ("Launch Time", _since),
    "start_time": ("Start Time", _since),
    "end_time": ("End Time", _since),
    "estimated_time": ("Estimated Time", _seconds),
    "pipeline": ("Pipeline", _text),
    "canceled": ("Canceled", _yes_no),
    "retry": ("Retry", _yes_no),
    "number": ("Number", _text),
    "node_labels": ("Node Labels", _list),
    "node_name": ("Node Name", _text),
    "worker.name": ("Worker", _text),
    "worker.hostname": ("Worker Hostname", _text),
    "worker.ips": ("Worker IPs", _list),
    "worker.fqdn": ("Worker FQDN", _text),
    "worker.program": ("Worker Program", _text),
    "worker.version": ("Worker Version", _text),
    "worker.extra": ("Worker Extra", _map),
}


def parse_columns(text: str) -> list[str]:
    """Names separated by commas, or ALL. Raises RequestError that lists the good ones."""
    if text.strip().upper() == ALL:
        return list(COLUMNS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    strange = [name for name in names if name not in COLUMNS]
    if strange or not names:
        known = ", ".join(COLUMNS)
        raise RequestError(f"Invalid columns: {', '.join(strange)}\nknown columns: {known}, {ALL}")
    return names


def running_jobs_lines(
    items: Iterable[Mapping[str, Any]], columns: Sequence[str], now: float
) -> Iterator[str]:
    """The jobs of all items; `items` as zuul:get_running_jobs answers, `now` in epoch seconds."""
    shown = list(items)
    if not shown:
        yield "No jobs currently running"
        return
    jobs = [job for item in shown for job in item["jobs"]]
    titles = [COLUMNS[column][0] for column in columns]
    rows = [[COLUMNS[name][1](_find(job, name), now) for name in columns] for job in jobs]
    yield from table_lines(titles, rows)


def _find(job: Mapping[str, Any], column: str) -> Any:
    """`worker.name` is the name of the job's worker, if it has one."""
    outer, _, inner = column.partition(".")
    value = job.get(outer)
    if not inner:
        return value
    return value.get(inner) if isinstance(value, Mapping) else None
