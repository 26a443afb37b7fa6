"""Gearman status lines -> {label: jobs queued and running}; and what is missing of a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PREFIX = "build:"


def parse_demand(answers: Iterable[str]) -> dict[str, int]:
    """The sum over servers of what their `status` says; labels that nobody wants are left out.

    A function is build:JOB:LABEL, or build:JOB: those count for the first label that any line names
    for the job (contract 5.1), and for nothing if there is none. Bad lines are passed over.
    """
    demand: dict[str, int] = {}
    unlabelled: dict[str, int] = {}
    first_label: dict[str, str] = {}
    for answer in answers:
        for line in answer.splitlines():
            parts = line.split("\t")
            if len(parts) != 4 or not parts[0].startswith(_PREFIX):
                continue
            *_, job, label = ["", *parts[0][len(_PREFIX) :].split(":")]
            queued = _count(parts[1])
            if not job:
                unlabelled[label] = unlabelled.get(label, 0) + queued
                continue
            first_label.setdefault(job, label)
            if queued and label:
                demand[label] = demand.get(label, 0) + queued
    for job, queued in unlabelled.items():
        if queued and (known := first_label.get(job)):
            demand[known] = demand.get(known, 0) + queued
    return demand


def _count(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else 0


@dataclass(frozen=True, slots=True)
class Deficit:
    """Nodes of a label to launch: for work that waits, and to keep some warm."""

    work: int
    warm: int


def find_deficit(*, min_ready: int, idle: int, busy: int, queued: int | None) -> Deficit:
    """`idle`: nodes ready or on their way; `busy`: with a build; `queued`: Gearman's count, which
    has running jobs in it; None: no Gearman is asked.

    With Gearman a busy node stands for a job that is counted, so both are counted (contract 5.2,
    era B). A build that started since Gearman was asked may not be counted yet: there are never
    fewer jobs than busy nodes, so its replacement need not wait for the next answer. Without
    Gearman neither is counted, and a busy node is replaced as soon as it is busy.
    """
    if min_ready < 0:
        return Deficit(0, 0)
    if queued is None:
        return Deficit(0, max(0, min_ready - idle))
    jobs = max(queued, busy)
    work = max(0, jobs - busy - idle)
    return Deficit(work, max(0, jobs + min_ready - busy - idle) - work)


class Demand:
    """The last answer, kept right until the next: a finished build is no longer wanted."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._asked_at = 0.0

    def read(self, counts: Mapping[str, int], asked_at: float) -> bool:
        """Whether it says anything new."""
        new = {label: count for label, count in counts.items() if count > 0}
        changed = new != self._counts
        self._counts = new
        self._asked_at = asked_at
        return changed

    def queued(self, label: str) -> int:
        return self._counts.get(label, 0)

    def finished(self, label: str, started_at: float) -> None:
        """A build is over that ran when Gearman was asked."""
        if started_at <= self._asked_at and self._counts.get(label):
            self._counts[label] -= 1
