"""Waiting for something to come about, with an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

WAIT_SECONDS = 20.0
T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, seconds: float = WAIT_SECONDS) -> T:
    """What `condition` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
    return found
