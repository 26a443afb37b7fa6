"""When a periodic job is due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from zuul.lib.cron import parse_cron


def due(text: str, *moment: int) -> tuple[int, ...] | None:
    found = parse_cron(text).next_after(datetime(*moment))  # type: ignore[arg-type]
    return None if found is None else found.timetuple()[:6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14 2 * * *", (2016, 6, 2, 2, 14, 0)),
        ("* * * * *", (2016, 6, 1, 10, 31, 0)),
        ("*/15 * * * *", (2016, 6, 1, 10, 45, 0)),
        ("*/1 * * * *", (2016, 6, 1, 10, 31, 0)),
        ("27 */6 * * *", (2016, 6, 1, 12, 27, 0)),
        ("* * * * * *", (2016, 6, 1, 10, 30, 1)),
        ("0 0 1 1 *", (2017, 1, 1, 0, 0, 0)),
        ("0 0 31 * *", (2016, 7, 31, 0, 0, 0)),
        ("0 0 29 feb *", (2020, 2, 29, 0, 0, 0)),
        ("5-7,50/5 10 * * *", (2016, 6, 1, 10, 50, 0)),
        ("0 0 * * 0", (2016, 6, 6, 0, 0, 0)),
        ("0 0 * * sun", (2016, 6, 5, 0, 0, 0)),
    ],
)
def test_next_time(text: str, expected: tuple[int, ...]) -> None:
    assert due(text, 2016, 6, 1, 10, 30, 0) == expected  # a Wednesday


def test_day_and_weekday_must_both_match() -> None:
    assert due("0 0 13 * fri", 2016, 6, 1) == (2017, 1, 13, 0, 0, 0)


def test_a_day_that_never_comes() -> None:
    assert due("0 0 30 2 *", 2016, 6, 1) is None


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
     "* * * * 7", "x * * * *", "*/0 * * * *", "5-1 * * * *", "1- * * * *", "٣ * * * *",
     "*/99999 * * * *", ", * * * *"],
)  # fmt: skip
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|step"):
        parse_cron(text)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks go from 2:00 to 3:00 on 2016-03-27, and from 3:00 to 2:00 on 2016-10-30."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ticks(text: str, begin: str, end: str) -> list[str]:
    """All times due between two of UTC, in UTC."""
    now, last = (datetime.fromisoformat(f"{each}+00:00").timestamp() for each in (begin, end))
    cron, found = parse_cron(text), []
    while (due := cron.next_at(now)) is not None and due < last:
        assert due > now
        found.append(f"{datetime.fromtimestamp(due, UTC):%d %H:%M}")
        now = due
    return found


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "begin", "end", "expected"),
    [
        # every half hour goes on, whatever the clock on the wall does
        (
            "*/30 * * * *",
            "2016-10-29 23:45",
            "2016-10-30 02:10",
            ["30 00:00", "30 00:30", "30 01:00", "30 01:30", "30 02:00"],
        ),
        (
            "*/30 * * * *",
            "2016-03-27 00:15",
            "2016-03-27 02:10",
            ["27 00:30", "27 01:00", "27 01:30", "27 02:00"],
        ),
        # a time of day comes once, though the hour comes twice or not at all
        ("30 2 * * *", "2016-10-29 12:00", "2016-10-31 12:00", ["30 00:30", "31 01:30"]),
        ("30 2 * * *", "2016-03-26 12:00", "2016-03-28 12:00", ["27 01:30", "28 00:30"]),
        # asked in the second of the two hours
        ("30 2 * * *", "2016-10-30 01:10", "2016-10-31 00:00", ["30 01:30"]),
        # each hour of a day in another time of the year
        (
            "0 * 1 11 *",
            "2016-10-20 00:00",
            "2016-11-01 01:30",
            ["31 23:00", "01 00:00", "01 01:00"],
        ),
    ],
)  # fmt: skip
def test_days_on_which_clocks_are_set(text: str, begin: str, end: str, expected: list[str]) -> None:
    assert ticks(text, begin, end) == expected


def test_no_next_time() -> None:
    assert parse_cron("0 0 30 2 *").next_at(0.0) is None
