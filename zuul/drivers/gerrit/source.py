"""Events in, looked-up facts out: TriggerReceived and ChangesRefreshed.

Look-ups of different changes run side by side; events of one change keep their order. An event
that nobody wants costs no look-up. Nothing that was heard is lost while the server is away.

`handle` is called by one thread alone, the watcher's.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from zuul.core.events import TriggerReceived
from zuul.drivers import Inbox, Interest
from zuul.drivers.gerrit.closure import Closure, Gathered
from zuul.drivers.gerrit.delivery import Deliverer, Delivery, Lane, MakeEvent
from zuul.drivers.gerrit.open_changes import OpenChanges
from zuul.drivers.gerrit.queries import (
    Answer,
    Queries,
    Term,
    by_dependency,
    by_number,
    is_change_id,
)
from zuul.drivers.gerrit.settling import is_reflected
from zuul.drivers.gerrit.stream import CHANGE_EVENTS, REF_UPDATED, Heard
from zuul.errors import (
    ChangeNotFound,
    ConnectionLost,
    DependencyCycle,
    DriverError,
    HostKeyRejected,
    TooManyDependencies,
)
from zuul.lib.workers import Lanes, Work
from zuul.model.change import Change, ChangeKey, Ref, RefKey
from zuul.model.trigger import ZUUL, TriggerEvent

log = logging.getLogger("zuul.GerritSource")

#: look-ups under way at once; they wait for answers, so they cost next to nothing
GATHER_THREADS = 64
#: how long the server is asked again for what its stream already told
SETTLE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 30.0
#: refusals, or failures while others succeed, before a look-up is given up
MAX_FAILURES = 5
#: how old what is known of a relative may be
RELATIVE_SECONDS = 2.0
MAX_REMEMBERED = 20_000


class EventSource:
    """The way from heard events to the inbox."""

    def __init__(
        self,
        name: str,
        baseurl: str,
        queries: Queries,
        inbox: Inbox,
        interest: Interest,
        stopping: threading.Event,
        *,
        threads: int = GATHER_THREADS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._name = name
        self._baseurl = baseurl
        self._queries = queries
        self._inbox = inbox
        self._interest = interest
        self._settle_seconds = settle_seconds
        self._stopping = stopping
        self._lanes = Lanes(f"gerrit-{name}-gather", threads)
        self._deliverer = Deliverer(name, inbox)
        self.open_changes = OpenChanges(
            name,
            self._lanes,
            self._ask,
            self._look_up_relatives,
            self._deliverer.put,
            inbox,
            stopping,
        )
        # Events of a lane given to a thread: as many as were delivered when the lane is idle.
        self._submitted: dict[Lane, int] = {}
        self._recent: dict[Term, Answer] = {}

    def start(self) -> None:
        self._lanes.start()
        self._deliverer.start()

    def stop(self) -> None:
        """`stopping` is set, and the queries are stopped: nothing waits for answers any more."""
        self._lanes.stop()
        self._deliverer.stop()

    @property
    def waiting(self) -> int:
        """Look-ups that wait or run."""
        return self._lanes.waiting

    # -- the watcher's side --------------------------------------------------------------------

    def handle(self, heard: Heard) -> None:
        """Take an event; blocks only while more wait than memory should hold."""
        event = heard.event
        if event.type == REF_UPDATED:
            wanted = self._interest.wants(event)
            self._inbox(TriggerReceived(event, self._find_ref(event) if wanted else None))
        elif event.type not in CHANGE_EVENTS:
            self._inbox(TriggerReceived(event))
        else:
            lane = (event.project, event.number)
            # An event that nobody wants may still not overtake one of its change.
            if self._is_idle(lane) and not self._interest.wants(event):
                self._inbox(TriggerReceived(event))
            else:
                self._submit(lane, heard)

    def take(self, event: TriggerEvent) -> None:
        """An event heard elsewhere, such as by an earlier process. Any thread.

        Raises queue.Full."""
        about_change = event.type in CHANGE_EVENTS or event.connection == ZUUL
        if event.connection == ZUUL and event.patchset is None:
            self.open_changes.find(event.project or "", event.number or "")
        elif about_change and event.change_key is not None:
            lane = (event.project, event.number)
            heard = Heard(event)
            self._lanes.submit(
                lane, lambda: self._look_up(None, heard), f"saved event of {event.number}"
            )
        else:
            wanted = self._interest.wants(event)
            self._inbox(TriggerReceived(event, self._find_ref(event) if wanted else None))

    def run_later(self, lane: Lane, work: Work, what: str) -> None:
        """Other work that waits, on a thread of the pool. Any thread. Raises queue.Full."""
        self._lanes.submit(lane, work, what)

    def look_up(
        self, number: str, patchset: str, make: MakeEvent, failed: Callable[[str], None]
    ) -> None:
        """Somebody asks for a change. Any thread. Raises queue.Full."""
        self._lanes.submit(
            ("asked", number),
            lambda: self._look_up_once(number, patchset, make, failed),
            f"request for {number},{patchset}",
        )

    def refresh(self, keys: tuple[ChangeKey, ...]) -> None:
        """Any thread. Raises queue.Full."""
        self._lanes.submit(("refresh", keys), lambda: self._refresh(keys), "refresh")

    def _submit(self, lane: Lane, heard: Heard) -> None:
        event = heard.event
        what = f"{event.type} of {event.number},{event.patchset}"
        while not self._stopping.is_set():
            try:
                self._lanes.submit(lane, lambda: self._look_up(lane, heard), what)
            except queue.Full:
                log.warning("Too many events wait connection=%s", self._name)
                self._stopping.wait(1.0)
            else:
                self._submitted[lane] = self._submitted.get(lane, 0) + 1
                return

    def _is_idle(self, lane: Lane) -> bool:
        submitted = self._submitted.get(lane)
        if submitted is None:
            return True
        if submitted != self._deliverer.delivered.get(lane, 0):
            return False
        if len(self._submitted) > MAX_REMEMBERED:
            self._forget_idle_lanes()
        return True

    def _forget_idle_lanes(self) -> None:
        idle = [
            k
            for k, count in self._submitted.items()
            if self._deliverer.delivered.get(k, 0) == count
        ]
        for lane in idle:
            del self._submitted[lane]
            self._deliverer.delivered.pop(lane, None)

    def _find_ref(self, event: TriggerEvent) -> Ref | None:
        if event.project is None or event.ref is None or event.newrev is None:
            return None
        return self.make_ref(event.project, event.ref, event.oldrev or "0" * 40, event.newrev)

    def make_ref(self, project: str, ref: str, oldrev: str, newrev: str) -> Ref:
        url = f"{self._baseurl}/gitweb?p={project}.git;a=commitdiff;h={newrev}"
        return Ref(RefKey(self._name, project, ref, newrev), oldrev, url)

    # -- the look-up threads -------------------------------------------------------------------

    def _look_up(self, lane: Lane | None, heard: Heard) -> None:
        """One event's look-up; delivers once, whatever happens, unless the driver stops."""
        gathered: Gathered | None = None
        event = heard.event
        try:
            if self._interest.wants(event):
                gathered = self._gather_event(heard)
        except (DependencyCycle, TooManyDependencies, ChangeNotFound) as error:
            log.warning(
                "An event is taken without its change change=%s,%s type=%s: %s",
                event.number,
                event.patchset,
                event.type,
                error,
            )
        except DriverError as error:
            if self._stopping.is_set():
                log.info(
                    "An event is left for the next start change=%s,%s type=%s",
                    event.number,
                    event.patchset,
                    event.type,
                )
                return
            log.error(
                "An event's change could not be looked up change=%s,%s type=%s: %s",
                event.number,
                event.patchset,
                event.type,
                error,
            )
        self._deliverer.put(
            Delivery(lane, event, gathered.changes, gathered.asked_at)
            if gathered
            else Delivery(lane, event)
        )

    def _look_up_once(
        self, number: str, patchset: str, make: MakeEvent, failed: Callable[[str], None]
    ) -> None:
        """Without trying again: a person waits, and can."""
        try:
            known = self._queries.look_up([by_number(number)])
            gathered = Closure(self._name, self._queries.look_up).gather(number, patchset, known)
        except DriverError as error:
            failed(str(error))
        else:
            delivery = Delivery(None, None, gathered.changes, gathered.asked_at, make)
            self._deliverer.put(delivery)

    def _gather_event(self, heard: Heard) -> Gathered:
        event = heard.event
        assert event.number is not None and event.patchset is not None
        terms = [by_number(event.number)]
        if heard.change_id and is_change_id(heard.change_id):
            terms.append(by_dependency(heard.change_id))
        known = self._ask_until_reflected(heard, terms)
        closure = Closure(self._name, self._look_up_relatives)
        return closure.gather(event.number, event.patchset, known)

    def _ask_until_reflected(self, heard: Heard, terms: list[Term]) -> dict[Term, Answer]:
        pause = FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + self._settle_seconds
        while True:
            known = self._ask(terms)
            rows = known[terms[0]].rows
            if is_reflected(rows[0] if rows else None, heard):
                return known
            if time.monotonic() + pause > deadline or self._stopping.wait(pause):
                log.info(
                    "The server's answer does not show the event yet change=%s,%s type=%s",
                    heard.event.number,
                    heard.event.patchset,
                    heard.event.type,
                )
                return known
            pause *= 2

    def _look_up_relatives(self, terms: Iterable[Term]) -> Mapping[Term, Answer]:
        """Answers of the last moments do: a relative that alters sends its own event."""
        wanted = list(terms)
        oldest = time.monotonic() - RELATIVE_SECONDS
        recent = {term: self._recent.get(term) for term in wanted}
        known = {t: answer for t, answer in recent.items() if answer and answer.asked_at >= oldest}
        missing = [term for term in wanted if term not in known]
        return known | self._ask(missing) if missing else known

    def _ask(self, terms: list[Term]) -> dict[Term, Answer]:
        """Ask until there is an answer: while the server is away, the event waits here.

        Raises DriverError when the server keeps refusing, or when only this look-up keeps failing.
        """
        pause = 1.0
        failures = 0
        while True:
            began = time.monotonic()
            try:
                answers = self._queries.look_up(terms)
            except DriverError as error:
                away = isinstance(error, (ConnectionLost, HostKeyRejected))
                if not away or self._queries.succeeded_at > began:
                    failures += 1
                if failures >= MAX_FAILURES or self._stopping.is_set():
                    raise
                log.warning(
                    "A look-up failed and is tried again in %.0f s connection=%s terms=%s: %s",
                    pause,
                    self._name,
                    " ".join(map(str, terms[:5])),
                    error,
                )
                self._stopping.wait(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
            else:
                self._remember(answers)
                return answers

    def _remember(self, answers: Mapping[Term, Answer]) -> None:
        if len(self._recent) > 2_000:
            oldest = time.monotonic() - RELATIVE_SECONDS
            recent = list(self._recent.items())
            self._recent = {term: answer for term, answer in recent if answer.asked_at >= oldest}
        self._recent.update(answers)

    def _refresh(self, keys: tuple[ChangeKey, ...]) -> None:
        changes: dict[ChangeKey, Change] = {}
        asked_at: dict[ChangeKey, float] = {}
        try:
            known = self._ask([by_number(key.number) for key in keys])
            for key in keys:
                try:
                    closure = Closure(self._name, self._look_up_relatives)
                    gathered = closure.gather(key.number, key.patchset, known)
                except (ChangeNotFound, DependencyCycle, TooManyDependencies) as error:
                    log.warning("A change was not refreshed change=%s: %s", key, error)
                else:
                    changes |= {change.key: change for change in gathered.changes}
                    asked_at |= gathered.asked_at
        except DriverError as error:
            log.error("Changes could not be refreshed connection=%s: %s", self._name, error)
        finally:
            self._deliverer.put(Delivery(None, None, tuple(changes.values()), asked_at))
