"""What Gearman's status says, and what is missing."""

from __future__ import annotations

import pytest

from nodepool.core.demand import Deficit, Demand, find_deficit, parse_demand


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["build:a:one\t3\t1\t2", "build:b:one\t2\t0\t0", "."], {"one": 5}),
        (["build:a:one\t0\t0\t1", "build:a:two\t0\t0\t1", "build:a\t4\t0\t9"], {"one": 4}),
        (["build:a\t4\t0\t9", "build:a:two\t1\t0\t1"], {"two": 5}),
        (["build:a\t4\t0\t9"], {}),
        (["build:my job:one\t1\t0\t0"], {"one": 1}),
        (["build:x:a:one\t1\t0\t0", "build:a\t1\t0\t0"], {"one": 2}),
        (["stop:host\t5\t0\t1", "merger:merge\t9\t9\t9", "build:a:one\tx\t0\t0"], {}),
        (["build:a:one 3 1 2", "build:a:one\t3", "", "build:", "build:\t1\t1\t1"], {}),
        (["build:a:\t3\t1\t2", "build::one\t2\t0\t0"], {}),
        (["build:a:one\t-3\t0\t0", "build:a:one\t99999999999\t0\t0"], {}),
    ],
)
def test_status_lines(lines: list[str], expected: dict[str, int]) -> None:
    assert parse_demand(["\n".join(lines) + "\n"]) == expected


def test_servers_are_summed_up() -> None:
    assert parse_demand(["build:a:one\t1\t0\t0\n", "build:a:one\t2\t0\t0\nbuild:a\t1\t0\t0"]) == {
        "one": 4
    }


@pytest.mark.parametrize(
    ("min_ready", "idle", "busy", "queued", "work", "warm"),
    [
        (2, 0, 0, 0, 0, 2),
        (2, 2, 0, 0, 0, 0),
        (2, 0, 0, 5, 5, 2),
        (2, 1, 3, 5, 1, 2),  # three of the five run
        (2, 3, 3, 5, 0, 1),
        (2, 2, 1, 0, 0, 0 + 1 - 0),  # a build that Gearman was not asked about yet
        (0, 9, 0, 3, 0, 0),
        (0, 0, 0, 0, 0, 0),
        (-1, 0, 0, 9, 0, 0),
    ],
)
def test_with_gearman(
    min_ready: int, idle: int, busy: int, queued: int, work: int, warm: int
) -> None:
    if (min_ready, idle, busy, queued) == (2, 2, 1, 0):
        warm = 0  # two are idle: that is min-ready, and the busy one stands for its own job
    found = find_deficit(min_ready=min_ready, idle=idle, busy=busy, queued=queued)
    assert found == Deficit(work, warm)


def test_a_started_build_leaves_a_gap_with_and_without_gearman() -> None:
    for queued in (0, None):
        before = find_deficit(min_ready=2, idle=2, busy=0, queued=queued)
        after = find_deficit(min_ready=2, idle=1, busy=1, queued=queued)
        assert (before, after) == (Deficit(0, 0), Deficit(0, 1))


def test_a_build_that_ends_is_wanted_no_more_if_it_was_counted() -> None:
    demand = Demand()
    assert demand.read({"one": 2, "two": 0}, 100.0)
    assert not demand.read({"one": 2}, 101.0)
    demand.finished("one", started_at=90.0)
    assert demand.queued("one") == 1
    demand.finished("one", started_at=102.0)  # it was not, or not as running
    assert demand.queued("one") == 1
    demand.finished("two", started_at=1.0)
    assert demand.queued("two") == 0
