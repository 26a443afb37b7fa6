"""What a test can make the sandbox Jenkins do wrong, and what it counts of its requests.

All of it may be changed from any thread while the server runs.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Fault:
    """Something that happens to requests whose `path?query` the regular expression `path` finds.

    A fault that is used up (`times`) leaves; of several that fit, the first counts. Without
    `after` an error comes instead of the deed; with it, the deed is done and the answer spoilt.
    """

    path: str
    method: str | None = None
    #: how often; None is until removed
    times: int | None = None
    #: answer with this status
    status: int | None = None
    #: body of such an answer
    text: str = ""
    #: do as asked first
    after: bool = False
    #: wait before doing anything
    delay: float = 0.0
    #: wait before the answer, all being done
    delay_after: float = 0.0
    #: cut the connection instead of an answer
    reset: bool = False
    #: a login page in HTML instead of JSON, with status 200
    html: bool = False
    #: only the first so many bytes of the answer, as if they were all
    truncate: int | None = None
    #: this Location header, "" for none
    location: str | None = None

    def fits(self, method: str, path: str) -> bool:
        return self.method in (None, method) and re.search(self.path, path) is not None


@dataclass(slots=True)
class Faults:
    """Knobs; the defaults are a server in good health."""

    rules: list[Fault] = field(default_factory=list)
    #: a build says neither `building` nor a result for so long after its end
    result_lag_seconds: float = 0.0
    #: a build is listed for so long before its `builtOn` is more than null
    node_lag_seconds: float = 0.0
    #: whether builds that died with a killed master are forgotten after its restart; None is as
    #: the real ones do: a Hudson does, a Jenkins lists them with `crash_result`
    crash_forgets: bool | None = None
    crash_result: str | None = None
    #: jobs that a (re)started master does not load
    lost_jobs: set[str] = field(default_factory=set)
    #: nothing leaves the queue
    queue_stuck: bool = False

    def add(self, path: str, **knobs: Any) -> Fault:
        """A new rule; returns it, so that it may be removed."""
        fault = Fault(path, **knobs)
        self.rules.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        if fault in self.rules:
            self.rules.remove(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The rule for a request, one use of it spent."""
        for fault in list(self.rules):
            if fault.fits(method, path):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Back to good health."""
        self.set(**asdict(Faults()))

    def set(self, **knobs: Any) -> None:
        """Several at once, as JSON has them; KeyError for what is no knob."""
        for name, value in knobs.items():
            if name not in self.__slots__:
                raise KeyError(name)
            if name == "rules":
                value = [Fault(**row) for row in value]
            setattr(self, name, set(value) if name == "lost_jobs" else value)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request; `at` is time.monotonic(), `path` has no query, `status` 0 is a cut line."""

    at: float
    method: str
    path: str
    query: str
    status: int
    seconds: float


class RequestLog:
    """The last requests, and how many there were of each kind since the start."""

    KEPT = 100_000

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=self.KEPT)
        #: by "METHOD path", queries left out
        self.counts: Counter[str] = Counter()

    def note(self, row: Seen) -> None:
        self.seen.append(row)
        self.counts[f"{row.method} {row.path}"] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    def rate(self, seconds: float) -> float:
        """Requests a second over the last so many seconds."""
        start = time.monotonic() - seconds
        return sum(1 for row in list(self.seen) if row.at >= start) / seconds

    def matching(self, pattern: str, method: str | None = None) -> list[Seen]:
        """Those whose path (without query) the expression finds."""
        found = re.compile(pattern)
        return [
            row
            for row in list(self.seen)
            if method in (None, row.method) and found.search(row.path)
        ]

    def clear(self) -> None:
        self.seen.clear()
        self.counts.clear()
