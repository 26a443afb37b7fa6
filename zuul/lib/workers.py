"""Threads: every one of them is named, ends when told, and outlives what its work raises.

The only catch-all handlers outside zuul/cmd stand here: a thread's boundary.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

log = logging.getLogger("zuul.Workers")

#: what a thread is given to do; what it returns is not looked at
Work = Callable[[], object]
_T = TypeVar("_T")


def run_guarded(work: Work, what: str) -> None:
    """Run `work`; an exception is logged with its trace and goes no further."""
    try:
        work()
    except Exception:
        log.exception("Work of a thread failed: %s", what)


def outcome_of(work: Callable[[], _T], what: str) -> _T | Exception:
    """What `work` returns, or the exception it raised, which is logged."""
    try:
        return work()
    except Exception as error:
        log.exception("Work of a thread failed: %s", what)
        return error


class Loop:
    """A named thread that calls `turn` again and again until stopped.

    `turn` gets the stop event and must return within a few seconds of its being set. One that
    raises is called again after a pause that doubles up to `max_pause_seconds`.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[threading.Event], None],
        *,
        first_pause_seconds: float = 0.5,
        max_pause_seconds: float = 30.0,
    ) -> None:
        self._turn = turn
        self._first_pause = first_pause_seconds
        self._max_pause = max_pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        """Ask the thread to end and wait for it; False if it did not end in time."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = self._first_pause
        while not self._stopping.is_set():
            try:
                self._turn(self._stopping)
            except Exception:
                log.exception("Thread %s failed, goes on in %.1f s", self._thread.name, pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, self._max_pause)
            else:
                pause = self._first_pause


@dataclass(order=True)
class _Timed:
    due: float
    order: int
    lane: Hashable = field(compare=False)
    work: Work = field(compare=False)
    what: str = field(compare=False)


class Lanes:
    """A pool of threads that runs work of different lanes side by side, of one lane in order.

    For example: look-ups of different changes at once, events of one change one after the other.
    `limit` bounds the work that waits; `submit` raises queue.Full beyond it.
    """

    def __init__(self, name: str, threads: int, *, limit: int = 100_000) -> None:
        self._name = name
        self._limit = limit
        self._condition = threading.Condition()
        self._ready: deque[Hashable] = deque()
        self._lanes: dict[Hashable, deque[tuple[Work, str]]] = {}
        self._timers: list[_Timed] = []
        self._orders = itertools.count()
        self._waiting = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Drop what waits, let what runs end."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def waiting(self) -> int:
        return self._waiting

    def submit(self, lane: Hashable, work: Work, what: str) -> None:
        """Run `work` after all earlier work of `lane`; `what` names it in the log if it raises."""
        with self._condition:
            self._submit(lane, work, what)

    def submit_later(self, seconds: float, lane: Hashable, work: Work, what: str) -> None:
        """Like `submit`, once `seconds` have passed; no thread is held meanwhile."""
        with self._condition:
            if self._stopping:
                return
            self._check_limit()
            due = time.monotonic() + seconds
            heapq.heappush(self._timers, _Timed(due, next(self._orders), lane, work, what))
            self._waiting += 1
            self._condition.notify()

    def _check_limit(self) -> None:
        if self._waiting >= self._limit:
            raise queue.Full(f"{self._name}: {self._waiting} pieces of work wait already")

    def _submit(self, lane: Hashable, work: Work, what: str, *, counted: bool = False) -> None:
        if self._stopping:
            return
        if not counted:
            self._check_limit()
            self._waiting += 1
        waiting = self._lanes.get(lane)
        if waiting is None:
            self._lanes[lane] = deque([(work, what)])
            self._ready.append(lane)
            self._condition.notify()
        else:
            waiting.append((work, what))

    def _run(self) -> None:
        while True:
            with self._condition:
                lane = self._next_lane()
                if lane is None:
                    return
                work, what = self._lanes[lane][0]
            run_guarded(work, f"{self._name}: {what}")
            with self._condition:
                self._waiting -= 1
                waiting = self._lanes[lane]
                waiting.popleft()
                if waiting:
                    self._ready.append(lane)
                    self._condition.notify()
                else:
                    del self._lanes[lane]

    def _next_lane(self) -> Hashable | None:
        while not self._stopping:
            now = time.monotonic()
            while self._timers and self._timers[0].due <= now:
                timed = heapq.heappop(self._timers)
                self._submit(timed.lane, timed.work, timed.what, counted=True)
            if self._ready:
                return self._ready.popleft()
            self._condition.wait(self._timers[0].due - now if self._timers else None)
        return None
