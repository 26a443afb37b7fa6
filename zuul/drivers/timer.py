"""The `timer` trigger: contract zuul.md 2.4.

Each tick tells one event for every project that has jobs in the pipeline. What the process slept
through is told once, not once a tick; what went by while it was down is not told at all.
"""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from zuul.core.events import TriggerReceived
from zuul.drivers import Inbox
from zuul.lib import clock
from zuul.lib.cron import Cron, parse_cron
from zuul.lib.workers import Loop
from zuul.model.change import NullChange, NullKey
from zuul.model.layout import Layout, PipelineConfig
from zuul.model.trigger import TIMER, TriggerEvent

#: a clock that was set back further than this has its timers worked out anew
SET_BACK_SECONDS = 60.0
#: the longest sleep: a clock that was set forward is seen no later
MOST_SLEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """It is some project's turn."""

    #: epoch seconds
    at: float
    pipeline: str
    source: str
    project: str


@dataclass(slots=True)
class _Timer:
    """One filter of a pipeline's timer trigger."""

    cron: Cron
    pipeline: str
    source: str
    #: by project that has jobs in the pipeline: seconds after the tick at which its turn is
    delays: dict[str, int]
    #: epoch seconds of the next tick; None: there will be none
    due: float | None
    #: turns that a tick has left to come, the next first; one a project at most
    turns: list[tuple[float, str]] = field(default_factory=list)

    def next_at(self) -> float | None:
        times = [self.due] if self.due is not None else []
        return min(times + [at for at, _ in self.turns[:1]], default=None)

    def take_due(self, now: float) -> Iterator[Tick]:
        if self.due is not None and self.due <= now:
            waiting = {project for _, project in self.turns}
            for project, delay in self.delays.items():
                if project not in waiting:
                    heapq.heappush(self.turns, (self.due + delay, project))
            self.due = self.cron.next_at(max(self.due, now))
        while self.turns and self.turns[0][0] <= now:
            at, project = heapq.heappop(self.turns)
            yield Tick(at, self.pipeline, self.source, project)


#: what tells a timer from another: pipeline, expression, jitter
_Key = tuple[str, str, int]


class Schedule:
    """When it is whose turn. Pure; times are epoch seconds."""

    def __init__(self) -> None:
        self._timers: dict[_Key, _Timer] = {}
        self._seen = 0.0

    def set_layout(self, layout: Layout, now: float) -> None:
        """Timers that stay keep their next tick: a reload drops none and doubles none."""
        timers: dict[_Key, _Timer] = {}
        for pipeline in layout.pipelines:
            for wanted in pipeline.filters:
                if wanted.timespec is None:
                    continue
                key = (pipeline.name, wanted.timespec, wanted.jitter)
                timer = _make_timer(pipeline, parse_cron(wanted.timespec), wanted.jitter)
                known = self._timers.get(key)
                if known is None:
                    timer.due = timer.cron.next_at(now)
                else:
                    timer.due = known.due
                    timer.turns = [turn for turn in known.turns if turn[1] in timer.delays]
                    heapq.heapify(timer.turns)
                timers[key] = timer
        self._timers = timers

    def next_at(self) -> float | None:
        """When there is something to take; None: never."""
        times = [timer.next_at() for timer in self._timers.values()]
        return min((at for at in times if at is not None), default=None)

    def take_due(self, now: float) -> list[Tick]:
        """The turns that have come, in order."""
        if now < self._seen - SET_BACK_SECONDS:
            for timer in self._timers.values():
                timer.due = timer.cron.next_at(now)
                timer.turns.clear()
        self._seen = now
        return sorted(tick for timer in self._timers.values() for tick in timer.take_due(now))


def _make_timer(pipeline: PipelineConfig, cron: Cron, jitter: int) -> _Timer:
    delays = {project: _delay(pipeline.name, project, jitter) for project in pipeline.trees}
    return _Timer(cron, pipeline.name, pipeline.source, delays, None)


def _delay(pipeline: str, project: str, jitter: int) -> int:
    """The same for a project every time, so that its jobs stay as far apart as the ticks."""
    digest = sha256(f"{pipeline} {project}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (jitter + 1)


class TimerDriver:
    """The thread that tells the ticks."""

    def __init__(self, inbox: Inbox, now: Callable[[], float] = clock.now) -> None:
        self._inbox = inbox
        self._now = now
        self._schedule = Schedule()
        #: None wakes the thread that is to stop
        self._layouts: queue.SimpleQueue[tuple[Layout, float] | None] = queue.SimpleQueue()
        self._sources: dict[str, str] = {}
        self._held: set[tuple[str, str]] | None = None
        self._loop = Loop("timer", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._layouts.put(None)
        self._loop.stop()

    def set_layout(self, layout: Layout) -> None:
        """Any thread. The core must have been told of the layout before."""
        self._sources = {pipeline.name: pipeline.source for pipeline in layout.pipelines}
        self._layouts.put((layout, self._now()))

    def hold(self) -> None:
        """From now on ticks are kept for the next start: one of each kind will do."""
        self._held = set()

    def hear(self, event: TriggerEvent) -> None:
        """Take a tick that an earlier process kept; any thread."""
        source = self._sources.get(event.forced_pipeline or "")
        if source is not None and event.project is not None:
            self._inbox(TriggerReceived(event, NullChange(NullKey(source, event.project))))

    def _turn(self, stopping: threading.Event) -> None:
        waiting = self._wait()
        now = self._now()
        while waiting is not None:
            self._schedule.set_layout(*waiting)
            waiting = None if self._layouts.empty() else self._layouts.get()
        for tick in self._schedule.take_due(now):
            if not stopping.is_set():
                self._tell(tick)

    def _wait(self) -> tuple[Layout, float] | None:
        """Until a tick is due or a layout has come."""
        try:
            return self._layouts.get(timeout=self._sleep_seconds())
        except queue.Empty:
            return None

    def _sleep_seconds(self) -> float:
        due = self._schedule.next_at()
        left = MOST_SLEEP_SECONDS if due is None else due - self._now()
        return min(max(left, 0.0), MOST_SLEEP_SECONDS)

    def _tell(self, tick: Tick) -> None:
        if self._held is not None:
            kind = (tick.pipeline, tick.project)
            if kind in self._held:
                return
            self._held.add(kind)
        event = TriggerEvent(
            TIMER,
            TIMER,
            project=tick.project,
            forced_pipeline=tick.pipeline,
            received_at=self._now(),
        )
        self._inbox(TriggerReceived(event, NullChange(NullKey(tick.source, tick.project))))
