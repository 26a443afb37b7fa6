"""The table of running jobs (contract zuul.md 11.3)."""

from __future__ import annotations

from typing import Any

import pytest

from zuul.client.brakes import brakes_lines
from zuul.client.running_jobs import COLUMNS, DEFAULT_COLUMNS, parse_columns, running_jobs_lines
from zuul.client.table import duration
from zuul.errors import RequestError

NOW = 1_000_000.0
JOB: dict[str, Any] = {
    "name": "unit",
    "elapsed_time": 65_000,
    "remaining_time": 3_600_000,
    "url": "http://x/1",
    "result": None,
    "voting": True,
    "uuid": "u1",
    "launch_time": NOW - 30,
    "start_time": NOW - 120,
    "end_time": None,
    "estimated_time": 7200.0,
    "pipeline": "gate",
    "canceled": False,
    "retry": None,
    "number": 7,
    "node_labels": ["a", "b"],
    "node_name": "n",
    "worker": {
        "name": "w\x1b[31m",
        "hostname": "h",
        "ips": ["10.0.0.1", "10.0.0.2"],
        "fqdn": None,
        "program": "p",
        "version": "1",
        "extra": {"k": 1},
    },
}


def table(columns: str, *jobs: dict[str, Any]) -> list[list[str]]:
    """Cells of the title and the rows."""
    lines = list(running_jobs_lines([{"jobs": list(jobs)}], parse_columns(columns), NOW))
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == lines[2] == lines[-1]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in [lines[1], *lines[3:-1]]
    ]


def test_the_usual_columns() -> None:
    other = JOB | {"name": "docs", "worker": None, "start_time": None, "result": "SUCCESS"}
    assert table(DEFAULT_COLUMNS, JOB, other) == [
        ["Job Name", "Worker", "Start Time", "Result"],
        ["unit", r"w\x1b[31m", "2 minutes", ""],
        ["docs", "", "", "SUCCESS"],
    ]


def test_all_columns() -> None:
    titles, values = table("all", JOB)
    assert len(titles) == len(COLUMNS) == 24
    assert dict(zip(COLUMNS, values, strict=True)) == {
        "name": "unit",
        "elapsed_time": "1 minute",
        "remaining_time": "1 hour",
        "url": "http://x/1",
        "result": "",
        "voting": "Yes",
        "uuid": "u1",
        "launch_time": "30 seconds",
        "start_time": "2 minutes",
        "end_time": "",
        "estimated_time": "2 hours",
        "pipeline": "gate",
        "canceled": "No",
        "retry": "No",
        "number": "7",
        "node_labels": "a, b",
        "node_name": "n",
        "worker.name": r"w\x1b[31m",
        "worker.hostname": "h",
        "worker.ips": "10.0.0.1, 10.0.0.2",
        "worker.fqdn": "",
        "worker.program": "p",
        "worker.version": "1",
        "worker.extra": "k=1",
    }


def test_nothing_runs() -> None:
    assert list(running_jobs_lines([], ["name"], NOW)) == ["No jobs currently running"]


@pytest.mark.parametrize("text", ["name, nosuch", "worker", "", " , "])
def test_wrong_columns_are_answered_with_the_right_ones(text: str) -> None:
    with pytest.raises(RequestError, match=r"known columns: name, elapsed_time.*, ALL"):
        parse_columns(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 seconds"),
        (0.4, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (90, "2 minutes"),
        (3600, "1 hour"),
        (200_000, "2 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_brakes() -> None:
    assert list(brakes_lines({"freezes": [], "holds": []}, NOW)) == ["Nothing is frozen or held"]
    freeze = {"pipeline": None, "project": "p", "reason": "r", "by": "a@h", "at": NOW - 60}
    hold = {
        "pipeline": "gate",
        "number": "1",
        "patchset": None,
        "reason": "x",
        "by": "b",
        "at": NOW,
    }
    lines = list(
        brakes_lines({"freezes": [freeze], "holds": [hold, hold | {"patchset": "2"}]}, NOW)
    )
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[3:-1] == [
        ["all", "p", "all", "r", "a@h", "1 minute"],
        ["gate", "", "1", "x", "b", "0 seconds"],
        ["gate", "", "1,2", "x", "b", "0 seconds"],
    ]
