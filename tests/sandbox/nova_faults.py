"""What a test can make the sandbox cloud do wrong, and what it counts of its requests.

All of it may be changed from any thread while the cloud runs. Requests have a kind, such as
`servers.create`, `servers.list`, `servers.delete`, `servers.createImage`, `images.get`, `limits`,
`token`; see `kind_of` in nova_gate.py.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Fault:
    """Something that happens to requests whose kind the regular expression `kind` matches whole.

    A fault that is used up (`times`) leaves; of several that fit, the first counts. Without
    `after` an error comes instead of the deed; with it, the deed is done and the answer spoilt.
    """

    kind: str
    #: how often; None is until removed
    times: int | None = None
    #: share of the fitting requests that it happens to
    chance: float = 1.0
    #: answer with this status
    status: int | None = None
    message: str = "Sandbox fault"
    #: seconds, for the Retry-After header of such an answer
    retry_after: float | None = None
    #: do as asked first
    after: bool = False
    #: wait before doing anything
    delay: float = 0.0
    #: cut the connection instead of an answer
    reset: bool = False
    #: never answer: the client's own time-out must end it
    silent: bool = False
    #: status 200 and a body that is no JSON
    garbage: bool = False

    def fits(self, kind: str) -> bool:
        return re.fullmatch(self.kind, kind) is not None


@dataclass(slots=True)
class RateLimit:
    """At most `count` requests of these kinds in `seconds`; others get `status` (413 as old
    clouds do, or 429) with Retry-After."""

    kind: str
    count: int
    seconds: float
    status: int = 429
    _taken: deque[float] = field(default_factory=deque)

    def wait(self, kind: str, at: float) -> float | None:
        """Seconds until such a request would pass; None if it may pass now, which is noted."""
        if re.fullmatch(self.kind, kind) is None:
            return None
        while self._taken and self._taken[0] <= at - self.seconds:
            self._taken.popleft()
        if len(self._taken) < self.count:
            self._taken.append(at)
            return None
        return self._taken[0] + self.seconds - at


@dataclass(slots=True)
class BootTrouble:
    """What is wrong with a server whose name the regular expression `name` matches whole.

    It is settled when the server is created. Of several that fit, the first counts.
    """

    name: str = ".*"
    times: int | None = None
    #: share of the fitting servers that it happens to
    chance: float = 1.0
    #: it goes to ERROR with this message instead of ACTIVE
    error: str | None = None
    #: it never gets out of BUILD
    stuck: bool = False
    #: it gets ACTIVE without an address
    no_address: bool = False
    #: "refused": no listener; "mute": accepts and says nothing; "reset": accepts and cuts;
    #: "denied": nobody may log in
    ssh: str | None = None
    #: the console tells other host keys than the server has
    wrong_console_keys: bool = False
    #: so many seconds after SSH was there it is dead: SSH cut and refused, its status stays
    dies_after: float | None = None
    #: so many seconds after it was ACTIVE the cloud has lost it
    vanishes_after: float | None = None
    #: deletes are answered as if all were well, and do nothing for so long after the first
    delete_ignored_seconds: float = 0.0
    #: deletes are answered with this status for that long, instead
    delete_status: int | None = None
    #: instead of the cloud's usual
    boot_seconds: float | None = None
    ssh_seconds: float | None = None


HEALTHY = BootTrouble()


@dataclass(slots=True)
class Faults:
    """Knobs; the defaults are a cloud in good health."""

    rules: list[Fault] = field(default_factory=list)
    limits: list[RateLimit] = field(default_factory=list)
    boots: list[BootTrouble] = field(default_factory=list)
    #: every answer takes so long, by kind (regular expression)
    delays: dict[str, float] = field(default_factory=dict)
    #: a create over the quota is answered 202 and the server ends in ERROR, as nova's cells do
    #: in a burst
    late_quota: bool = False
    #: what becomes of snapshots: None is well, "error", or "stuck" in saving
    snapshot: str | None = None
    #: chance draws from this
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def add(self, kind: str, **knobs: Any) -> Fault:
        """A new rule; returns it, so that it may be removed."""
        fault = Fault(kind, **knobs)
        self.rules.append(fault)
        return fault

    def limit(self, kind: str, count: int, seconds: float, status: int = 429) -> RateLimit:
        limit = RateLimit(kind, count, seconds, status)
        self.limits.append(limit)
        return limit

    def boot(self, name: str = ".*", **knobs: Any) -> BootTrouble:
        """Trouble for servers to come."""
        trouble = BootTrouble(name, **knobs)
        self.boots.append(trouble)
        return trouble

    def remove(self, fault: Fault | RateLimit | BootTrouble) -> None:
        """Take any of them away; one that is used up already is no error."""
        self.rules[:] = [row for row in self.rules if row is not fault]
        self.limits[:] = [row for row in self.limits if row is not fault]
        self.boots[:] = [row for row in self.boots if row is not fault]

    def clear(self) -> None:
        """Back to good health; servers keep the trouble they were born with."""
        self.rules.clear()
        self.limits.clear()
        self.boots.clear()
        self.delays.clear()
        self.late_quota = False
        self.snapshot = None

    def take(self, kind: str) -> Fault | None:
        """The rule for a request, one use of it spent."""
        for fault in list(self.rules):
            if fault.fits(kind) and self._happens(fault):
                return fault
        return None

    def take_boot(self, name: str) -> BootTrouble:
        """What will be wrong with a server of this name, one use of it spent."""
        for trouble in list(self.boots):
            if re.fullmatch(trouble.name, name) and self._happens(trouble):
                return trouble
        return HEALTHY

    def delay(self, kind: str) -> float:
        return sum(s for pattern, s in list(self.delays.items()) if re.fullmatch(pattern, kind))

    def wait(self, kind: str, at: float) -> tuple[float, int] | None:
        """How long a request must stay away, and the status that tells it."""
        for limit in list(self.limits):
            seconds = limit.wait(kind, at)
            if seconds is not None:
                return seconds, limit.status
        return None

    def _happens(self, row: Fault | BootTrouble) -> bool:
        if row.chance < 1.0 and self.random.random() >= row.chance:
            return False
        if row.times is not None:
            row.times -= 1
            if row.times <= 0:
                self.remove(row)
        return True


@dataclass(frozen=True, slots=True)
class Seen:
    """One request; `at` is time.monotonic(), `status` 0 is a cut line or no answer."""

    at: float
    kind: str
    method: str
    path: str
    status: int
    seconds: float


class RequestLog:
    """The last requests, and how many there were of each kind since the start."""

    KEPT = 100_000

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=self.KEPT)
        self.counts: Counter[str] = Counter()
        #: by kind and status of the answer
        self.statuses: Counter[tuple[str, int]] = Counter()

    def note(self, row: Seen) -> None:
        self.seen.append(row)
        self.counts[row.kind] += 1
        self.statuses[row.kind, row.status] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    def of(self, kind: str) -> list[Seen]:
        """Those whose kind the regular expression matches whole."""
        found = re.compile(kind)
        return [row for row in list(self.seen) if found.fullmatch(row.kind)]

    def refused(self, kind: str = ".*") -> int:
        """How many of these kinds were answered with an error."""
        found = re.compile(kind)
        rows = list(self.statuses.items())
        return sum(n for (name, code), n in rows if code >= 400 and found.fullmatch(name))

    def rate(self, seconds: float) -> float:
        """Requests a second over the last so many seconds."""
        start = time.monotonic() - seconds
        return sum(1 for row in list(self.seen) if row.at >= start) / seconds

    def clear(self) -> None:
        self.seen.clear()
        self.counts.clear()
        self.statuses.clear()
