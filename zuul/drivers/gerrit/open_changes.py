"""The open changes of a project, each told as an event of the `zuul` trigger.

A project may have thousands: they are asked for in one query, what must be known of their relatives
in a few wide ones, and changes that hang together are gathered together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from zuul.drivers.gerrit.closure import Closure, terms_of
from zuul.drivers.gerrit.delivery import Delivery
from zuul.drivers.gerrit.queries import Answer, Term, by_number, by_project
from zuul.errors import ChangeNotFound, DependencyCycle, DriverError, TooManyDependencies
from zuul.model.change import Change, ChangeKey
from zuul.model.trigger import PROJECT_CHANGE_MERGED, own_event

log = logging.getLogger("zuul.GerritSource")

Answers = Mapping[Term, Answer]


class OpenChanges:
    """Look-ups of whole projects, on the threads of whoever calls `find`."""

    def __init__(
        self,
        name: str,
        ask: Callable[[list[Term]], Answers],
        look_up_relatives: Callable[[Iterable[Term]], Answers],
        deliver: Callable[[Delivery], None],
    ) -> None:
        """`ask` waits until the server answers, or raises DriverError."""
        self._name = name
        self._ask = ask
        self._look_up_relatives = look_up_relatives
        self._deliver = deliver
        self._waiting: set[str] = set()

    def claim(self, project: str) -> bool:
        """Whether the project must be looked up once more; False: a look-up that has not begun
        will do for this merge too. Any thread."""
        if project in self._waiting:
            return False
        self._waiting.add(project)
        return True

    def find(self, project: str, merged: ChangeKey) -> None:
        """Blocks. Delivers once for each open change but `merged`; trouble is logged."""
        self._waiting.discard(project)
        try:
            self._tell(project, merged)
        except (DriverError, ValueError) as error:
            log.error(
                "Open changes could not be looked up connection=%s project=%s: %s",
                self._name,
                project,
                error,
            )

    def _tell(self, project: str, merged: ChangeKey) -> None:
        term = by_project(project)
        answer = self._ask([term])[term]
        rows = [row for row in answer.rows if row.number != merged.number]
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
