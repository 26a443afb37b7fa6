"""The open changes of a project, each told as an event of the `zuul` trigger.

A project may have thousands: they are asked for in one query, what must be known of their relatives
in a few wide ones, and changes that hang together are gathered together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from zuul.core.events import TriggerReceived
from zuul.drivers import Inbox
from zuul.drivers.gerrit.closure import Closure, terms_of
from zuul.drivers.gerrit.delivery import Delivery
from zuul.drivers.gerrit.queries import Answer, Term, by_number, by_project
from zuul.errors import ChangeNotFound, DependencyCycle, DriverError, TooManyDependencies
from zuul.lib.workers import Lanes
from zuul.model.change import Change, ChangeKey
from zuul.model.trigger import PROJECT_CHANGE_MERGED, ZUUL, TriggerEvent, own_event

log = logging.getLogger("zuul.GerritSource")

Answers = Mapping[Term, Answer]


class OpenChanges:
    """Look-ups of whole projects."""

    def __init__(
        self,
        name: str,
        lanes: Lanes,
        ask: Callable[[list[Term]], Answers],
        look_up_relatives: Callable[[Iterable[Term]], Answers],
        deliver: Callable[[Delivery], None],
        inbox: Inbox,
        stopping: threading.Event,
    ) -> None:
        """`ask` waits until the server answers, or raises DriverError. `inbox` takes what must wait
        for the next start as the process is `stopping`."""
        self._name = name
        self._lanes = lanes
        self._inbox = inbox
        self._stopping = stopping
        self._ask = ask
        self._look_up_relatives = look_up_relatives
        self._deliver = deliver
        self._waiting: set[str] = set()

    def find(self, project: str, merged: str) -> None:
        """Tell of each open change but number `merged`. Any thread. Raises queue.Full.

        A look-up that has not begun will do for this merge too.
        """
        if project not in self._waiting:
            self._waiting.add(project)
            self._lanes.submit(
                ("open", project), lambda: self._find(project, merged), f"open changes of {project}"
            )

    def _find(self, project: str, merged: str) -> None:
        self._waiting.discard(project)
        try:
            self._tell(project, merged)
        except (DriverError, ValueError) as error:
            if self._stopping.is_set():
                self._postpone(project, merged)
                return
            log.error(
                "Open changes could not be looked up connection=%s project=%s: %s",
                self._name,
                project,
                error,
            )

    def _postpone(self, project: str, merged: str) -> None:
        """Until the next start, as an event that does not say which patch set it is about."""
        event = TriggerEvent(
            ZUUL, PROJECT_CHANGE_MERGED, project=project, number=merged, source=self._name
        )
        self._inbox(TriggerReceived(event))

    def _tell(self, project: str, merged: str) -> None:
        term = by_project(project)
        answer = self._ask([term])[term]
        rows = [row for row in answer.rows if row.number != merged]
        known = {by_number(row.number): Answer((row,), answer.asked_at) for row in rows}
        known |= self._prefetch(answer, known)

        def look_up(terms: Iterable[Term]) -> Answers:
            wanted = list(terms)
            found = {term: known[term] for term in wanted if term in known}
            missing = [term for term in wanted if term not in found]
            return {**found, **self._look_up_relatives(missing)} if missing else found

        told: dict[ChangeKey, tuple[Change, float]] = {}
        for row in rows:
            key = ChangeKey(self._name, row.number, row.current)
            relatives: tuple[Change, ...] = ()
            if key not in told:
                closure = Closure(self._name, look_up)
                try:
                    gathered = closure.gather(row.number, row.current, {})
                except (ChangeNotFound, DependencyCycle, TooManyDependencies) as error:
                    log.warning("An open change is passed over change=%s: %s", key, error)
                    continue
                told |= {c.key: (c, gathered.asked_at[c.key]) for c in gathered.changes}
                relatives = gathered.changes[1:]
            change = told[key][0]
            asked_at = {each.key: told[each.key][1] for each in (change, *relatives)}
            event = own_event(PROJECT_CHANGE_MERGED, change, time.time())
            self._deliver(Delivery(None, event, (change, *relatives), asked_at))
        log.info(
            "A change has merged, the open ones of its project are told of"
            " connection=%s project=%s merged=%s changes=%s",
            self._name,
            project,
            merged,
            len(rows),
        )

    def _prefetch(self, answer: Answer, known: Answers) -> Answers:
        wanted = dict.fromkeys(term for row in answer.rows for term in terms_of(row))
        missing = [term for term in wanted if term not in known]
        return self._ask(missing) if missing else {}
