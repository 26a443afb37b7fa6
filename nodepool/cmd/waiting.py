"""Waiting for nodepoold to do what was asked, with an end: it may be busy, stuck or not there."""

from __future__ import annotations

import time
from collections.abc import Callable

from nodepool.cmd.site import CommandError, tell
from nodepool.db.lease import TTL_SECONDS
from nodepool.db.people import People

#: seconds between two looks
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
#: a daemon of which no sign was seen for so long is not there, or is stuck
SILENCE_SECONDS = 2 * TTL_SECONDS


class Watch:
    """Looks again and again, and tells what changed."""

    def __init__(
        self,
        people: People,
        limit: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`limit`: seconds from now, for all that is waited for."""
        self._people = people
        self._limit = limit
        self._clock = clock
        self._began = clock()
        self._pause = pause
        self._signs: tuple[int, int, int] | None = None
        self._signs_at = 0.0

    def wait(self, look: Callable[[], str | None]) -> None:
        """Until `look` has nothing more to wait for (None); raises CommandError if that does not
        come, with what it waited for last."""
        pause, told = FIRST_PAUSE, ""
        while (waits := look()) is not None:
            if waits != told:
                tell(waits)
                told, pause = waits, FIRST_PAUSE
            self._check_daemon(waits)
            if self._clock() - self._began > self._limit:
                raise CommandError(f"Not done within {self._limit:.0f} s: {waits}")
            self._pause(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _check_daemon(self, waits: str) -> None:
        daemon, now = self._people.daemon(), self._clock()
        if self._signs is None and not daemon.holder:
            raise CommandError(f"No nodepoold runs; it is done when one does: {waits}")
        if daemon.signs != self._signs:
            self._signs, self._signs_at = daemon.signs, now
        elif now - self._signs_at > SILENCE_SECONDS:
            who = daemon.holder or "that ended"
            text = f"No sign of life of nodepoold {who} for {now - self._signs_at:.0f} s"
            raise CommandError(f"{text}; it is done when one runs: {waits}")
