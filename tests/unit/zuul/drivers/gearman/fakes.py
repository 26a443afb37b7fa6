"""A Gearman client, its administration and a thread that are none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from zuul.lib.gearman import ClientJob, FunctionStatus, JobListener, Outcome, Priority


class InlineThread:
    """Does at once what is posted, unless it is already doing something: then right after."""

    def __init__(self, _name: str, tick: Callable[[float], None]) -> None:
        self.tick = tick
        self._work: list[Callable[[], None]] = []
        self._busy = False

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def post(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        if self._busy:
            return
        self._busy = True
        try:
            while self._work:
                self._work.pop(0)()
        finally:
            self._busy = False


class FakeClient:
    """Keeps what was submitted; the test plays server and worker."""

    def __init__(self) -> None:
        self.generation = 1
        self.jobs: list[ClientJob] = []
        self.open: list[ClientJob] = []
        self.asked: list[ClientJob] = []
        self.refuses: Exception | None = None
        self.answer: tuple[Outcome | None, bytes] = (None, b"")

    def submit(
        self,
        function: str,
        arguments: bytes,
        listener: JobListener,
        *,
        unique: str = "",
        priority: Priority = Priority.NORMAL,
        key: str = "",
    ) -> ClientJob:
        if self.refuses is not None:
            raise self.refuses
        job = ClientJob(function, unique, listener, priority, key, arguments)
        self.jobs.append(job)
        self.open.append(job)
        return job

    def ask_status(self, job: ClientJob) -> bool:
        self.asked.append(job)
        return True

    def abandon(self, job: ClientJob) -> bool:
        if job in self.open:
            self.open.remove(job)
            return True
        return False

    def call(self, function: str, arguments: bytes, **_options: Any) -> tuple[Any, bytes]:
        self.called = (function, json.loads(arguments))
        return self.answer

    # What server and worker do.

    def last(self) -> ClientJob:
        return self.jobs[-1]

    def create(self, job: ClientJob) -> None:
        job.handle = b"H:%d" % self.jobs.index(job)
        job.listener.job_created(job)

    def end(self, job: ClientJob, outcome: Outcome = Outcome.COMPLETE, data: bytes = b"") -> None:
        if job in self.open:
            self.open.remove(job)
            job.listener.job_ended(job, outcome, data)


class FakeAdmin:
    """A server's function list and its queue."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionStatus] = {}
        self.broken: OSError | None = None
        self.cancelled: list[bytes] = []
        self.cancels = True
        self.asked = 0

    def serve(self, *names: str, workers: int = 1) -> None:
        for name in names:
            self.functions[name] = FunctionStatus(0, 0, workers)

    def status(self) -> dict[str, FunctionStatus]:
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        return dict(self.functions)

    def cancel(self, handle: bytes) -> bool:
        if self.broken is not None:
            raise self.broken
        self.cancelled.append(handle)
        return self.cancels


class DriverBench:
    """What a driver has to do with; its events are in `events`, its threads go on by `tick`."""

    def __init__(self) -> None:
        self.client, self.admin = FakeClient(), FakeAdmin()
        self.events: list[Any] = []
        self.threads: list[InlineThread] = []

    def make_thread(self, name: str, tick: Any) -> InlineThread:
        self.threads.append(InlineThread(name, tick))
        return self.threads[-1]

    def tick(self, later: float = 0.0) -> None:
        self.threads[0].tick(time.monotonic() + later)
