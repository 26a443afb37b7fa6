"""Two clients to measure with: ours, and gear as it is shipped (what Zuul 2.6 used)."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

import gear

from zuul.lib.gearman import ClientJob, GearmanClient, Outcome

FUNCTION = "build:bench"


class Client(Protocol):
    """What the measurements need."""

    def round_trip(self, payload: bytes) -> None: ...

    def run(self, jobs: int, in_flight: int, payload: bytes) -> float:
        """Seconds for so many jobs."""
        ...

    def close(self) -> None: ...


class _Counter:
    def __init__(self, jobs: int, in_flight: int) -> None:
        self.room = threading.Semaphore(in_flight)
        self.left = jobs
        self.done = threading.Event()

    def job_created(self, job: ClientJob) -> None: ...

    def job_data(self, job: ClientJob, data: bytes) -> None: ...

    def job_status(self, job: ClientJob) -> None: ...

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None: ...

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.one_more()

    def one_more(self) -> None:
        self.left -= 1
        self.room.release()
        if not self.left:
            self.done.set()


class Ours:
    """GearmanClient."""

    def __init__(self, port: int) -> None:
        self.client = GearmanClient("bench", "127.0.0.1", port)
        self.client.wait_connected(10.0)

    def round_trip(self, payload: bytes) -> None:
        outcome, _ = self.client.call(FUNCTION, payload, timeout_seconds=30.0)
        assert outcome is Outcome.COMPLETE

    def run(self, jobs: int, in_flight: int, payload: bytes) -> float:
        counter = _Counter(jobs, in_flight)
        start = time.perf_counter()
        for _ in range(jobs):
            counter.room.acquire()
            self.client.submit(FUNCTION, payload, counter)
        assert counter.done.wait(300.0)
        return time.perf_counter() - start

    def close(self) -> None:
        self.client.close()


class _GearClient(gear.Client):  # type: ignore[misc]
    def handleWorkComplete(self, packet: Any) -> Any:
        job = super().handleWorkComplete(packet)
        job.told()
        return job


class AsShipped:
    """gear.Client, with nothing changed."""

    def __init__(self, port: int) -> None:
        self.client = _GearClient("bench")
        self.client.addServer("127.0.0.1", port)
        self.client.waitForServer()

    def round_trip(self, payload: bytes) -> None:
        done = threading.Event()
        job = gear.Job(FUNCTION, payload)
        job.told = done.set
        self.client.submitJob(job)
        assert done.wait(30.0)

    def run(self, jobs: int, in_flight: int, payload: bytes) -> float:
        counter = _Counter(jobs, in_flight)
        start = time.perf_counter()
        for _ in range(jobs):
            counter.room.acquire()
            job = gear.Job(FUNCTION, payload)
            job.told = counter.one_more
            self.client.submitJob(job)
        assert counter.done.wait(300.0)
        return time.perf_counter() - start

    def close(self) -> None:
        self.client.shutdown()


CLIENTS: dict[str, type[Ours] | type[AsShipped]] = {"ours": Ours, "gear": AsShipped}
