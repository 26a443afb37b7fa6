"""The jobs a Gearman server holds: three priorities, first in first out, indexed by function.

Pure. The order a worker sees is global inside a priority, as in gear's server: of all the functions
it knows, the job submitted first. It is usually near the head of the whole line; where it is not,
the first jobs of each function are compared, so ten thousand jobs nobody can do cost the others
next to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Final, NamedTuple

#: Jobs looked at from the head of a line before the index of functions is asked.
_LOOK_AHEAD: Final = 16


class Priority(IntEnum):
    """Lower is served first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


@dataclass(slots=True, eq=False)
class Job:
    """One submission, from JOB_CREATED until its terminal packet."""

    handle: bytes
    function: bytes
    unique: bytes
    arguments: bytes
    priority: Priority
    #: Position in the order of submission.
    number: int
    #: Connection that gets the packets; None: a background job, or its client has gone.
    client: int | None
    #: Connection the job is assigned to; None while it waits.
    worker: int | None = None
    numerator: bytes = b""
    denominator: bytes = b""


class QueueTotals(NamedTuple):
    """Sizes for statistics, in jobs."""

    total: int
    running: int
    waiting: int


class FunctionCounts(NamedTuple):
    """One line of the `status` command, without the number of workers."""

    total: int
    running: int


class _Line:
    """The waiting jobs of one priority, in order: all of them, and those of each function."""

    __slots__ = ("_all", "_by_function")

    def __init__(self) -> None:
        self._all: OrderedDict[bytes, Job] = OrderedDict()
        self._by_function: dict[bytes, OrderedDict[bytes, Job]] = {}

    def append(self, job: Job) -> None:
        self._all[job.handle] = job
        self._by_function.setdefault(job.function, OrderedDict())[job.handle] = job

    def remove(self, job: Job) -> None:
        del self._all[job.handle]
        same = self._by_function[job.function]
        del same[job.handle]
        if not same:
            del self._by_function[job.function]

    def first_for(self, functions: Collection[bytes]) -> Job | None:
        if not self._all:
            return None
        for job in islice(self._all.values(), _LOOK_AHEAD):
            if job.function in functions:
                return job
        if len(self._all) <= _LOOK_AHEAD:
            return None
        fewer: Collection[bytes] = self._by_function
        more: Collection[bytes] = functions
        if len(fewer) > len(more):
            fewer, more = more, fewer
        heads = (next(iter(self._by_function[name].values())) for name in fewer if name in more)
        return min(heads, key=lambda job: job.number, default=None)


class JobQueue:
    """All jobs of one server. `handle_prefix` must differ between two starts of a server, so that a
    worker's late report cannot hit a job of the next life.
    """

    def __init__(self, handle_prefix: bytes) -> None:
        self._prefix = handle_prefix
        self._number = 0
        self._jobs: dict[bytes, Job] = {}
        self._lines = (_Line(), _Line(), _Line())
        self._counts: dict[bytes, list[int]] = {}
        self._running = 0
        #: Bytes of arguments held, waiting or running.
        self.argument_bytes = 0

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def totals(self) -> QueueTotals:
        """Sizes now."""
        return QueueTotals(len(self._jobs), self._running, len(self._jobs) - self._running)

    def functions(self) -> Iterator[tuple[bytes, FunctionCounts]]:
        """Every function that has a job, waiting or running."""
        for name, (total, running) in self._counts.items():
            yield name, FunctionCounts(total, running)

    def submit(
        self,
        function: bytes,
        unique: bytes,
        arguments: bytes,
        priority: Priority,
        client: int | None,
    ) -> Job:
        """Put a new job at the end of its priority. Equal uniques make two jobs."""
        self._number += 1
        handle = b"%s%d" % (self._prefix, self._number)
        job = Job(handle, function, unique, arguments, priority, self._number, client)
        self._jobs[handle] = job
        self._lines[priority].append(job)
        self._counts.setdefault(function, [0, 0])[0] += 1
        self.argument_bytes += len(arguments)
        return job

    def find(self, handle: bytes) -> Job | None:
        """The job of that handle, unless it has ended."""
        return self._jobs.get(handle)

    def first_for(self, functions: Collection[bytes]) -> Job | None:
        """The job a worker that knows `functions` would get."""
        for line in self._lines:
            job = line.first_for(functions)
            if job is not None:
                return job
        return None

    def assign(self, job: Job, worker: int) -> None:
        """Hand a waiting job to a worker's connection."""
        self._lines[job.priority].remove(job)
        job.worker = worker
        self._counts[job.function][1] += 1
        self._running += 1

    def remove(self, job: Job) -> None:
        """Forget a job, waiting or running."""
        del self._jobs[job.handle]
        counts = self._counts[job.function]
        if job.worker is None:
            self._lines[job.priority].remove(job)
        else:
            counts[1] -= 1
            self._running -= 1
        counts[0] -= 1
        if not counts[0]:
            del self._counts[job.function]
        self.argument_bytes -= len(job.arguments)
