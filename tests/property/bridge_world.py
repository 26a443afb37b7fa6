"""The bridge's heart among fake masters and a fake Gearman server, on a clock of its own."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from gearman_plugin_shim import commands as c
from gearman_plugin_shim import events as e
from gearman_plugin_shim.bridge import Bridge
from gearman_plugin_shim.model import (
    BridgeSettings,
    BuildRow,
    Failure,
    FailureKind,
    JobRef,
    MasterSettings,
    PostKind,
    PostOutcome,
)
from gearman_plugin_shim.rows import parse_row, row_state
from tests.property.bridge_fakes import ClientJob, FakeBuild, FakeLink, FakeMaster

UNAVAILABLE = Failure(FailureKind.UNAVAILABLE, "no answer")
DENIED = Failure(FailureKind.DENIED, "HTTP 403")
NOT_FOUND = Failure(FailureKind.NOT_FOUND, "HTTP 404")


class World:
    """Time moves by its own agenda; nothing here is random unless `fault` and `delay` are."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.now = 1_700_000_000.0
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.masters = {name: FakeMaster(name) for name in names or ("m1",)}
        self.settings = BridgeSettings(
            tuple(MasterSettings(name, f"http://{name}", **options) for name in self.masters)
        )
        self.journal: dict[str, tuple[str, str, float | None]] = {}
        self.links: dict[str, FakeLink] = {}
        self.queue: list[ClientJob] = []
        self.jobs: list[ClientJob] = []
        self.open: dict[JobRef, ClientJob] = {}
        self.generations = count(1)
        self.handles = count(1)
        self.life = 0
        #: (life, word, JSON)
        self.published: list[tuple[int, str, dict[str, Any]]] = []
        self.notices: list[c.Notice] = []
        self.sent: list[c.Command] = []
        self.bridge: Bridge | None = None

    # The bridge's life.

    def start(self) -> None:
        self.life += 1
        rows: list[BuildRow] = []
        for uuid, (master, state, finished_at) in self.journal.items():
            rows.append(parse_row(uuid, master, json.loads(state), finished_at))
        self.bridge = Bridge(self.settings, rows, self.now)
        self.tell()

    def kill(self) -> None:
        """kill -9: what is on its way to masters arrives, answers do not; the journal stays."""
        self.bridge = None
        self.life += 1
        for link in list(self.links):
            self.lose_link(link)
        self.links.clear()

    def tell(self, *batch: e.Event) -> None:
        if self.bridge is None:
            return
        for command in self.bridge.handle(batch, self.now):
            self.carry_out(command)
        life, due = self.life, self.bridge.next_due(self.now)
        self.at(max(due, self.now + 0.001), lambda: self.life == life and self.wake(due))

    def wake(self, due: float) -> None:
        if self.bridge is not None and self.bridge.next_due(self.now) <= self.now:
            self.tell()

    # Time.

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (when, next(self.order), action))  # type: ignore[misc]

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.at(self.now + seconds, action)

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds, must=False)

    def run_until(self, is_so: Callable[[], bool], seconds: float = 60, must: bool = True) -> None:
        end = self.now + seconds
        while self.agenda and self.agenda[0][0] <= end:
            if is_so():
                return
            when, _, action = heapq.heappop(self.agenda)
            self.now = max(self.now, when)
            action()
        self.now = end
        assert is_so() or not must, "it did not come to pass in time"

    # Gearman.

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

    # What goes wrong; the simulation overrides these.

    def delay(self) -> float:
        return 0.02

    def fault(self, command: c.Command) -> str | None:
        """None, `before` (never arrives), or `after` (done, and the answer is lost)."""
        return None

    def started(self, build: FakeBuild) -> None:
        """A build began."""

    # Commands.

    def carry_out(self, command: c.Command) -> None:
        self.sent.append(command)
        getattr(self, f"do_{type(command).__name__}")(command)

    def deliver(self, seconds: float, event: e.Event) -> None:
        life = self.life
        self.after(seconds, lambda: self.life == life and self.tell(event))

    def ask(
        self,
        command: Any,
        act: Callable[[FakeMaster, float], e.Event],
        failed: Callable[[Failure], e.Event],
    ) -> None:
        """A request: it arrives, something is done, the answer goes back."""
        master, asked_at, fault = self.masters[command.master], self.now, self.fault(command)
        there, back = self.delay(), self.delay()
        life = self.life

        def arrive() -> None:
            if not master.up or fault == "before":
                answer = failed(UNAVAILABLE)
            elif master.denied:
                answer = failed(DENIED)
            else:
                answer = act(master, asked_at)
                self.dispatch(master)
                if fault == "after":
                    answer = failed(UNAVAILABLE)
            if self.life == life:
                self.deliver(back, answer)

        self.after(there, arrive)

    def dispatch(self, master: FakeMaster) -> None:
        for build in master.dispatch(self.now):
            self.started(build)
            self.at(build.ends_at, lambda build=build: self.finish(master, build))

    def finish(self, master: FakeMaster, build: FakeBuild) -> None:
        if build.building:
            master.end(build, build.parameters.get("RESULT", "SUCCESS"))
            self.dispatch(master)

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

    def do_PollComputers(self, command: c.PollComputers) -> None:
        self.ask(
            command,
            lambda master, at: e.ComputersSeen(
                master.name, at, master.computers(command.detailed), command.detailed
            ),
            lambda failure: e.PollFailed(command.master, e.Poll.COMPUTERS, failure),
        )

    def do_PollJobs(self, command: c.PollJobs) -> None:
        self.ask(
            command,
            lambda master, at: e.JobsSeen(master.name, at, master.job_rows(), master.quieting),
            lambda failure: e.PollFailed(command.master, e.Poll.JOBS, failure),
        )

    def do_PollQueue(self, command: c.PollQueue) -> None:
        self.ask(
            command,
            lambda master, at: e.QueueSeen(master.name, at, master.queue_rows()),
            lambda failure: e.PollFailed(command.master, e.Poll.QUEUE, failure),
        )

    def do_PostBuild(self, command: c.PostBuild) -> None:
        assert command.uuid in self.journal, "posted before it was written"

        def act(master: FakeMaster, at: float) -> e.Event:
            if command.job not in master.jobs:
                refused = PostOutcome(PostKind.REFUSED, status=404, reason="HTTP 404")
                return e.BuildPosted(master.name, command.uuid, refused)
            self.before_post(master, command)
            item = master.post(command.job, dict(command.parameters))
            queue_id = item.id if master.gives_ids else None
            return e.BuildPosted(
                master.name, command.uuid, PostOutcome(PostKind.ACCEPTED, queue_id, 201)
            )

        def failed(failure: Failure) -> e.Event:
            kind = PostKind.REFUSED if failure is DENIED else PostKind.UNKNOWN
            status = 403 if failure is DENIED else 0
            outcome = PostOutcome(kind, None, status, failure.reason)
            return e.BuildPosted(command.master, command.uuid, outcome)

        self.ask(command, act, failed)

    def before_post(self, master: FakeMaster, command: c.PostBuild) -> None:
        """Nothing runs twice, unless the first is gone."""
        for each in self.masters.values():
            for build in each.builds:
                gone = build.vanished or build.cut_off
                assert build.uuid != command.uuid or gone, f"{command.uuid} ran: {build}"
            for item in each.queue:
                assert item.parameters.get("ZUUL_UUID") != command.uuid, f"{command.uuid} waits"

    def do_SeekBuild(self, command: c.SeekBuild) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            items = [item for item in master.queue_rows() if item.uuid == command.uuid]
            builds = tuple(
                b.info() for b in master.builds if b.uuid == command.uuid and not b.vanished
            )
            cancelled = any(item.cancelled for item in master.items if item.id == command.queue_id)
            item = items[0] if items else None
            return e.BuildSought(master.name, command.uuid, at, item, builds, cancelled)

        def failed(failure: Failure) -> e.Event:
            return e.BuildSought(command.master, command.uuid, 0.0, failure=failure)

        self.ask(command, act, failed)

    def do_FetchBuild(self, command: c.FetchBuild) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            build = master.find(command.id)
            if build is None:
                return e.BuildFetched(master.name, command.id, at, None, NOT_FOUND)
            return e.BuildFetched(master.name, command.id, at, build.info())

        self.ask(command, act, lambda f: e.BuildFetched(command.master, command.id, 0.0, None, f))

    def do_CancelItem(self, command: c.CancelItem) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            for item in list(master.queue):
                if item.parameters.get("ZUUL_UUID") == command.uuid:
                    item.cancelled = True
                    master.queue.remove(item)
            return e.ItemCancelled(master.name, command.uuid)

        self.ask(command, act, lambda f: e.ItemCancelled(command.master, command.uuid, f))

    def do_StopBuild(self, command: c.StopBuild) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            if build := master.find(command.id):
                if build.building:
                    build.stopped = True
                master.end(build, "ABORTED")
            return e.BuildStopped(master.name, command.id)

        self.ask(command, act, lambda f: e.BuildStopped(command.master, command.id, f))

    def do_DescribeBuild(self, command: c.DescribeBuild) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            build = master.find(command.id)
            if build is None:
                return e.BuildDescribed(command.ref, NOT_FOUND)
            build.described = command.html
            return e.BuildDescribed(command.ref)

        self.ask(command, act, lambda failure: e.BuildDescribed(command.ref, failure))

    def do_SetOffline(self, command: c.SetOffline) -> None:
        def act(master: FakeMaster, at: float) -> e.Event:
            node = master.nodes.get(command.node)
            if node is None:
                return e.OfflineSet(master.name, command.node, NOT_FOUND)
            if not node.temporarily_offline:
                master.nodes[node.name] = replace(node, temporarily_offline=True, offline=True)
                master.toggles.append(node.name)
            return e.OfflineSet(master.name, command.node)

        self.ask(command, act, lambda f: e.OfflineSet(command.master, command.node, f))

    def do_KeepBuild(self, command: c.KeepBuild) -> None:
        row, life = command.row, self.life

        def write() -> None:
            if self.life == life:
                state = json.dumps(row_state(row))
                self.journal[row.uuid] = (row.master, state, row.finished_at)
                self.deliver(0.005, e.BuildKept(row.uuid, command.serial))

        self.after(0.005, write)

    def do_ForgetBuilds(self, command: c.ForgetBuilds) -> None:
        pass

    def do_PublishEvent(self, command: c.PublishEvent) -> None:
        self.published.append((self.life, command.word, json.loads(command.json)))

    def do_Notice(self, command: c.Notice) -> None:
        self.notices.append(command)
