"""A Gearman server between clients and the bridge: links, queue and packets."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from gearman_plugin_shim import commands as c
from gearman_plugin_shim import events as e
from gearman_plugin_shim.model import JobRef
from tests.property.bridge_agenda import Agenda
from tests.property.bridge_fakes import ClientJob, FakeLink


class GearmanSide(Agenda):
    """What clients ask for, and what the bridge's commands to its links do."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.links: dict[str, FakeLink] = {}
        self.queue: list[ClientJob] = []
        self.jobs: list[ClientJob] = []
        self.open: dict[JobRef, ClientJob] = {}
        self.generations = count(1)
        self.handles = count(1)

    def submit(self, function: str, uuid: str = "", **parameters: str) -> ClientJob:
        if uuid:
            parameters["ZUUL_UUID"] = uuid
        return self.submit_raw(function, json.dumps(parameters).encode(), uuid)

    def submit_raw(self, function: str, payload: bytes, unique: str = "") -> ClientJob:
        job = ClientJob(function, unique, payload)
        self.jobs.append(job)
        self.queue.append(job)
        self.after(0.01, self.assign)
        return job

    def assign(self) -> None:
        for job in list(self.queue):
            for link in self.takers(job):
                link.taken += 1
                job.ref = JobRef(link.name, link.generation, b"H:%d" % next(self.handles))
                self.queue.remove(job)
                self.open[job.ref] = job
                taken = e.JobTaken(job.ref, job.function, job.unique, job.payload, link.taken)
                self.deliver(0.01, taken)
                break

    def takers(self, job: ClientJob) -> list[FakeLink]:
        return [
            link
            for link in self.links.values()
            if link.generation and link.taken < link.total and job.function in link.functions
        ]

    def lose_link(self, name: str) -> None:
        link = self.links[name]
        for ref, job in list(self.open.items()):
            if ref.link == name:
                del self.open[ref]
                self.job_ended(job, "lost")
        if link.generation:
            self.deliver(0.0, e.LinkLost(name, link.generation))
        link.generation = 0

    def connect(self, name: str) -> None:
        link = self.links.get(name)
        if link is not None and not link.generation:
            link.generation = next(self.generations)
            self.deliver(0.0, e.LinkOpened(name, link.generation))
            self.after(0.01, self.assign)

    def job_ended(self, job: ClientJob, how: str) -> None:
        assert job.end is None, f"two ends: {job}"
        job.end = how

    def result_of(self, job: ClientJob) -> dict[str, Any]:
        return json.loads(job.data[-1]) if job.data and job.data[-1] else {}

    def do_OpenLink(self, command: c.OpenLink) -> None:
        assert command.link not in self.links
        self.links[command.link] = FakeLink(
            command.link, command.client_id, command.functions, command.total
        )
        self.after(0.01, lambda: self.connect(command.link))

    def do_SetFunctions(self, command: c.SetFunctions) -> None:
        self.links[command.link].functions = command.functions
        self.assign()

    def do_AllowJobs(self, command: c.AllowJobs) -> None:
        self.links[command.link].total = command.total
        self.assign()

    def do_RetireLink(self, command: c.RetireLink) -> None:
        link = self.links[command.link]
        link.functions, link.total, link.retired = frozenset(), 0, True

    def job_of(self, ref: JobRef) -> ClientJob | None:
        job = self.open.get(ref)
        if job is None:
            ended = [job for job in self.jobs if job.ref == ref]
            assert ended and ended[0].end == "lost", f"packet on an ended job {ref}"
        return job

    def do_SendData(self, command: c.SendData) -> None:
        if job := self.job_of(command.ref):
            job.data.append(command.data)

    def do_SendStatus(self, command: c.SendStatus) -> None:
        if job := self.job_of(command.ref):
            job.statuses.append((command.numerator, command.denominator))

    def do_CompleteJob(self, command: c.CompleteJob) -> None:
        if job := self.job_of(command.ref):
            job.data.append(command.data)
            del self.open[command.ref]
            self.job_ended(job, "complete")

    def do_FailJob(self, command: c.FailJob) -> None:
        if job := self.job_of(command.ref):
            job.exception = command.exception
            del self.open[command.ref]
            self.job_ended(job, "fail")
