"""The thread a Gearman driver runs on: everything it does and hears, one after the other."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from zuul.lib.workers import Loop, Work, run_guarded

log = logging.getLogger("zuul.Gearman")

_TICK_SECONDS = 1.0
_LIMIT = 100_000


class OneThread(Protocol):
    """What a driver needs of its thread; tests do without one."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def post(self, work: Work) -> None: ...


ThreadFactory = Callable[[str, Callable[[float], None]], OneThread]


class SerialThread:
    """Runs what is posted, in order, and `tick` (given the monotonic time) once a second.

    A poster waits while `_LIMIT` things are undone: for the thread that reads the socket this is
    how a flood of packets is made to wait in the network.
    """

    def __init__(self, name: str, tick: Callable[[float], None]) -> None:
        self._name = name
        self._tick = tick
        self._next_tick = 0.0
        self._work: queue.Queue[Work] = queue.Queue(_LIMIT)
        self._loop = Loop(name, self._turn)
        self._stopped = False

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Do what was posted so far, at most for a few seconds, and end."""
        done = threading.Event()
        self.post(done.set)
        done.wait(5.0)
        self._stopped = True
        self._loop.stop()

    def post(self, work: Work) -> None:
        """Have `work` done; any thread. After `stop` nothing is done any more."""
        if not self._stopped:
            self._work.put(work)

    def _turn(self, _stopping: threading.Event) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._tick(now)
        try:
            work = self._work.get(timeout=0.2)
        except queue.Empty:
            return
        run_guarded(work, self._name)
