"""CronTimer and PeopleWatch: what comes by itself, on threads of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal

from nodepool.config.values import CronConfig
from nodepool.core.events import CronCame, Event, HoldsRead
from nodepool.db.store import Store
from nodepool.errors import StoreError
from zuul.lib import clock
from zuul.lib.cron import parse_cron
from zuul.lib.logs import fields
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.NodePool")

Job = Literal["image_update", "cleanup", "check"]
JOBS: Final[tuple[Job, ...]] = ("image_update", "cleanup", "check")
PEOPLE_SECONDS: Final = 1.0
#: a clock that was set is noticed after this at the latest
LONGEST_WAIT_SECONDS: Final = 30.0


class CronTimer:
    """Tells when a periodic job is due; local time, as cron does. `configure` from any thread."""

    def __init__(
        self, inbox: Callable[[Event], None], now: Callable[[], float] = clock.now
    ) -> None:
        self._inbox = inbox
        self._now = now
        self._changed = threading.Event()
        #: by job: its text, and epoch seconds of its next time; None: never
        self._due: dict[Job, tuple[str, float | None]] = {}
        self._wanted = CronConfig()
        self._loop = Loop("cron", self._turn)

    def configure(self, config: CronConfig) -> None:
        """A job whose text is the same keeps its next time."""
        self._wanted = config
        self._changed.set()

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._changed.set()
        self._loop.stop()

    def _turn(self, stopping: threading.Event) -> None:
        self._changed.clear()
        wait = self.look()
        if not stopping.is_set():
            self._changed.wait(wait)

    def look(self) -> float:
        """Tell what is due; seconds until the next look."""
        now, wanted = self._now(), self._wanted
        waits = [LONGEST_WAIT_SECONDS]
        for job in JOBS:
            text: str = getattr(wanted, job)
            known, due = self._due.get(job, ("", None))
            if known == text and due is not None and due <= now:
                self._inbox(CronCame(job))
                known = ""
            if known != text:
                due = parse_cron(text).next_at(now)
                self._due[job] = (text, due)
            if due is not None:
                waits.append(max(0.0, due - now))
        return min(waits)


class PeopleWatch:
    """What people did to the database: nodes held or deleted, jobs to hold, images wanted."""

    def __init__(
        self,
        store: Store,
        inbox: Callable[[Event], None],
        holds: Mapping[str, int],
        *,
        with_images: bool = True,
        every: float = PEOPLE_SECONDS,
    ) -> None:
        """`holds`: what the core knows. `with_images` off leaves requests for images where they
        are."""
        self._store = store
        self._inbox = inbox
        self._holds = dict(holds)
        self._with_images = with_images
        self._every = every
        self._failed = False
        self._loop = Loop("people", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()

    def _turn(self, stopping: threading.Event) -> None:
        try:
            self.look()
        except StoreError as error:
            if not self._failed:
                log.warning("Database cannot be asked %s", fields(reason=error))
            self._failed = True
        else:
            self._failed = False
        stopping.wait(self._every)

    def look(self) -> None:
        """Raises StoreError."""
        for change in self._store.changes():
            self._inbox(change)
        holds = dict(self._store.holds())
        if holds != self._holds:
            self._holds = holds
            self._inbox(HoldsRead(holds))
        if self._with_images:
            for request in self._store.requests():
                self._inbox(request)
