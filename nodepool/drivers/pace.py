"""Pace: when the next call of a provider or target may go out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: told of each call that was made, on any thread: provider or target, task, seconds
TaskHook = Callable[[str, str, float], None]
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
#: of a cloud's Retry-After no more is believed
LONGEST_RETRY_AFTER = 300.0


class Pace:
    """Keeps `rate` seconds between the starts of calls, and more after trouble.

    The pause doubles with each trouble in a row. It measures starts, not ends: a slow answer does
    not slow down the calls that follow it.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._rate = rate
        self._longest_pause = longest_pause
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._held_until = 0.0
        self._troubles = 0
        self._closed = threading.Event()

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def take_turn(self, until: float | None = None) -> bool:
        """Wait until a call may start; False once closed, or if it may not before `until`, a time
        of the clock."""
        while True:
            wait = self.reserve(until)
            if wait is None or self._closed.wait(wait):
                return False
            if self._clock() >= self._held_until:
                return True

    def reserve(self, until: float | None = None) -> float | None:
        """Take the next slot; seconds until it. None: it would be after `until`, and is free."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next_at, self._held_until)
            if until is not None and start > until:
                return None
            self._next_at = start + self._rate
            return start - now

    def pause(self, seconds: float) -> bool:
        """Wait for something else; False once closed."""
        return not self._closed.wait(seconds)

    def went_well(self) -> None:
        with self._lock:
            self._troubles = 0

    def had_trouble(self, retry_after: float = 0.0) -> float:
        """Hold all calls back; the pause in seconds."""
        with self._lock:
            self._troubles += 1
            pause: float = FIRST_PAUSE * 2.0 ** min(self._troubles - 1, 20)
            pause = min(pause, self._longest_pause)
            pause = max(pause, min(retry_after, LONGEST_RETRY_AFTER))
            self._held_until = max(self._held_until, self._clock() + pause)
            # slots that were given out behind this moment are void: their takers ask again
            self._next_at = min(self._next_at, self._held_until)
            return pause

    def close(self) -> None:
        self._closed.set()
