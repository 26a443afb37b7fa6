"""JobTable: the jobs of a master by name, and the Gearman functions that a node makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gearman_plugin_shim.labels import LabelExpression, parse_labels
from gearman_plugin_shim.model import Job

BUILD: Final = "build:"
UUID: Final = "ZUUL_UUID"


def declares_uuid(job: Job) -> bool:
    """Whether its builds can be told apart; trusted where the master does not tell."""
    return job.parameters is None or UUID in job.parameters


@dataclass(frozen=True, slots=True)
class _Entry:
    job: Job
    #: under which it is registered: the short name, or the full one, or both
    names: tuple[str, ...]
    labels: LabelExpression | None


class JobTable:
    """The jobs of one look. Functions are worked out once for each kind of node."""

    def __init__(self, jobs: Iterable[Job], *, accept_undeclared_uuid: bool = False) -> None:
        #: by full name; the number of the newest build is left out, it is no part of a job
        self.jobs = {job.full_name: replace(job, last_build=None) for job in jobs}
        self._by_name: dict[str, Job] = {}
        #: short names that stand for more than one job, with all of those, the chosen one first
        self.ambiguous: dict[str, list[str]] = {}
        self._entries = self._enter(accept_undeclared_uuid)
        self._atoms = frozenset(
            atom for entry in self._entries if entry.labels for atom in entry.labels.atoms
        )
        self._one_at_a_time = frozenset(
            entry.job.full_name
            for entry in self._entries
            # Builds that cannot be told apart must not meet.
            if not (entry.job.concurrent and declares_uuid(entry.job))
        )
        #: functions of jobs that run one build at a time
        self.sequential: set[str] = set()
        self._known: dict[tuple[bool, frozenset[str]], frozenset[str]] = {}

    def _enter(self, accept_undeclared_uuid: bool) -> list[_Entry]:
        groups: dict[str, list[Job]] = {}
        for job in self.jobs.values():
            groups.setdefault(job.name, []).append(job)
        entries = []
        for name, alike in groups.items():
            # The one nearest to the top has the short name; every one of them its full name.
            alike.sort(key=lambda job: (job.full_name.count("/"), job.full_name))
            if len(alike) > 1:
                self.ambiguous[name] = [job.full_name for job in alike]
            for place, job in enumerate(alike):
                names = [name] if place == 0 else []
                if len(alike) > 1 and job.full_name not in names:
                    names.append(job.full_name)
                for each in (*names, job.full_name):
                    self._by_name.setdefault(each, job)
                if job.buildable and (accept_undeclared_uuid or declares_uuid(job)):
                    labels = parse_labels(job.label_expression) if job.label_expression else None
                    entries.append(_Entry(job, tuple(names), labels))
        return entries

    def functions(self, labels: frozenset[str], *, exclusive: bool) -> frozenset[str]:
        """What a node with these labels, its own name among them, can be asked for."""
        kind = (exclusive, labels & self._atoms)
        found = self._known.get(kind)
        if found is None:
            found = self._known[kind] = frozenset(self._work_out(*kind))
            for function in found:
                job = self.job_of(function)
                if job is not None and self.is_sequential(job.full_name):
                    self.sequential.add(function)
        return found

    def is_sequential(self, full_name: str) -> bool:
        """Whether a job runs one build at a time."""
        return full_name in self._one_at_a_time

    def _work_out(self, exclusive: bool, labels: frozenset[str]) -> Iterable[str]:
        for entry in self._entries:
            if entry.labels is None:
                if not exclusive:
                    yield from (f"{BUILD}{name}" for name in entry.names)
            elif entry.labels.matches(labels):
                for name in entry.names:
                    yield f"{BUILD}{name}"
                    for atom in entry.labels.atoms & labels:
                        yield f"{BUILD}{name}:{atom}"

    def find(self, name: str) -> Job | None:
        """A job by its short or full name."""
        return self._by_name.get(name)

    def job_of(self, function: str) -> Job | None:
        """The job that a function `build:NAME` or `build:NAME:LABEL` asks for."""
        if not function.startswith(BUILD):
            return None
        name = function[len(BUILD) :]
        # No name of a job holds a colon, but a label may.
        return self.find(name) or self.find(name.partition(":")[0])
