"""Cron: when a periodic job is due; for the gate's timers and nodepool's chores.

Five fields, minute hour day month weekday, and if one likes a sixth, the second. Weekday 0 is
Monday, as the scheduler library behind the files of old counts; names (mon, jan) are plain.
Compat: all fields must match, also day and weekday together (test_day_and_weekday_must_both_match).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: how far ahead a time is looked for: the 29th of February on a given weekday comes in 28 years
_HORIZON = timedelta(days=366 * 29)

_HOURS = 24
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 6),
    ("second", 0, 59),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The allowed values of each field."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    seconds: frozenset[int] = frozenset({0})

    def matches(self, moment: datetime) -> bool:
        return (
            moment.second in self.seconds
            and moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.day in self.days
            and moment.weekday() in self.weekdays
            and moment.month in self.months
        )

    def next_at(self, now: float) -> float | None:
        """`next_after` in epoch seconds, by the local clock.

        On the day on which the clock is set back an hour comes twice: what is due each hour is
        due in both, all else once. What is due in the hour that is left out comes an hour later.
        """
        here = datetime.fromtimestamp(now).astimezone()
        due = self.next_after(here.replace(tzinfo=None))
        if due is None:
            return None
        unchanged = due.replace(tzinfo=here.tzinfo).timestamp()
        if len(self.hours) == _HOURS and self.matches(datetime.fromtimestamp(unchanged)):
            return unchanged
        first = due.timestamp()
        return first if first > now else due.replace(fold=1).timestamp()

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time due later than `moment`; None if there is none, as of February 30."""
        due = moment.replace(microsecond=0) + timedelta(seconds=1)
        last = due + _HORIZON
        while due < last:
            if due.month not in self.months:
                due = _month_after(due)
            elif due.day not in self.days or due.weekday() not in self.weekdays:
                due = due.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif due.hour not in self.hours:
                due = due.replace(minute=0, second=0) + timedelta(hours=1)
            elif due.minute not in self.minutes:
                due = due.replace(second=0) + timedelta(minutes=1)
            elif due.second not in self.seconds:
                due += timedelta(seconds=1)
            else:
                return due
        return None


def parse_cron(text: str) -> Cron:
    """Raises ValueError, which says what is wrong."""
    words = text.split()
    if not 5 <= len(words) <= 6:
        raise ValueError("expected minute hour day month weekday, and perhaps second")
    values = [
        _parse_field(word, *field) for word, field in zip(words, _FIELDS[: len(words)], strict=True)
    ]
    return Cron(*values)


def _parse_field(word: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, slash, step = part.partition("/")
        stride = _number(step, name) if slash else 1
        if stride < 1:
            raise ValueError(f"{name}: a step is 1 or more: {part!r}")
        if span == "*":
            low, high = least, most
        else:
            first, dash, last = span.partition("-")
            low = _number(first, name)
            high = _number(last, name) if dash else (most if slash else low)
        if not least <= low <= high <= most:
            raise ValueError(f"{name}: expected {least} to {most}: {part!r}")
        found.update(range(low, high + 1, stride))
    return frozenset(found)


def _number(word: str, name: str) -> int:
    word = word.lower()
    if name == "month" and word in _MONTHS:
        return _MONTHS.index(word) + 1
    if name == "weekday" and word in _DAYS:
        return _DAYS.index(word)
    if not word.isascii() or not word.isdigit() or len(word) > 4:
        raise ValueError(f"{name}: expected a number, not {word!r}")
    return int(word)


def _month_after(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0)
    return (first + timedelta(days=32)).replace(day=1)
