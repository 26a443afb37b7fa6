"""Waiting for something to come about, with an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

WAIT_SECONDS = 20.0
T = TypeVar("T")


def pauses(first: float = 0.02, longest: float = 0.25) -> Iterator[float]:
    """Seconds from one look at another process to the next. Soon at first, less often for what
    takes long: a look is work for whoever is looked at, and that is what it waits for."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 1.25, longest)


def eventually(condition: Callable[[], T], what: str, seconds: float = WAIT_SECONDS) -> T:
    """What `condition` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
    return found
