"""When a periodic job is due."""

from __future__ import annotations

from datetime import datetime

import pytest

from nodepool.config.cron import parse_cron


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
