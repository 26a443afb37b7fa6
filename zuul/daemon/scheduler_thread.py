"""The one thread that owns the core: takes what happened, asks the core, has its wishes done."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Any

from zuul import __version__
from zuul.core.commands import Command
from zuul.core.events import Event
from zuul.core.scheduler import Scheduler
from zuul.core.snapshot import StatusSnapshot
from zuul.core.status import render, render_items
from zuul.daemon.inbox import Inbox, QueueLengths
from zuul.lib import clock
from zuul.lib.workers import Loop, run_guarded

log = logging.getLogger("zuul.Scheduler")

#: the thread looks up from an empty inbox this often
IDLE_SECONDS = 5.0


class Snapshot:
    """The state between two events; becomes a document on whatever thread asks for it."""

    def __init__(self, state: StatusSnapshot, lengths: QueueLengths) -> None:
        self._state = state
        self._lengths = lengths

    def document(self) -> Mapping[str, Any]:
        """As reference/web.rst has it."""
        return render(
            self._state,
            clock.now(),
            version=__version__,
            trigger_queue_length=self._lengths.trigger,
            result_queue_length=self._lengths.result,
        )

    def running_items(self) -> list[dict[str, Any]]:
        """All items, as the client's running jobs. Compat: `report_url` ignores url_pattern."""
        return render_items(replace(self._state, url_pattern=None), clock.now())

    def brakes(self) -> dict[str, Any]:
        """All freezes and holds, with who did it, as `zuul show brakes` has them."""
        return {
            "freezes": [asdict(freeze) for freeze in self._state.freezes],
            "holds": [asdict(hold) for hold in self._state.holds],
        }


class SchedulerThread:
    """Feeds the core one event after the other, so that one that fails spoils no other."""

    def __init__(
        self, scheduler: Scheduler, inbox: Inbox, dispatch: Callable[[Command], None]
    ) -> None:
        self._scheduler = scheduler
        self._inbox = inbox
        self._dispatch = dispatch
        self._wanted: deque[Future[Snapshot]] = deque()
        self._loop = Loop("scheduler", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._inbox.close()
        self._loop.stop()
        self._answer_snapshots()

    def request_snapshot(self) -> Future[Snapshot]:
        """The state between two events, as soon as the thread gets there. Any thread."""
        wanted: Future[Snapshot] = Future()
        self._wanted.append(wanted)
        self._inbox.wake()
        return wanted

    def _turn(self, stopping: threading.Event) -> None:
        batch = self._inbox.take(IDLE_SECONDS)
        for event in batch:
            run_guarded(lambda event=event: self._handle(event), describe(event))  # type: ignore[misc]
            if self._wanted:
                self._answer_snapshots()
        self._answer_snapshots()

    def _handle(self, event: Event) -> None:
        for command in self._scheduler.handle((event,), clock.now()):
            self._dispatch(command)

    def _answer_snapshots(self) -> None:
        if not self._wanted:
            return
        answered: list[Future[Snapshot]] = []
        while self._wanted:
            answered.append(self._wanted.popleft())
        snapshot = Snapshot(self._scheduler.snapshot(clock.now()), self._inbox.lengths())
        for wanted in answered:
            if wanted.set_running_or_notify_cancel():
                wanted.set_result(snapshot)


def describe(event: Event) -> str:
    """The event for a log line, cut to a length that a line can have."""
    return f"handling {event!r}"[:2000]
