"""Masters that the bridge asks: each request takes its time, and may go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gearman_plugin_shim import commands as c
from gearman_plugin_shim import events as e
from gearman_plugin_shim.model import Failure, FailureKind, PostKind, PostOutcome
from tests.property.bridge_agenda import Agenda
from tests.property.bridge_fakes import FakeBuild, FakeMaster

UNAVAILABLE = Failure(FailureKind.UNAVAILABLE, "no answer")
DENIED = Failure(FailureKind.DENIED, "HTTP 403")
NOT_FOUND = Failure(FailureKind.NOT_FOUND, "HTTP 404")


class MasterSide(Agenda):
    """What the bridge's commands to masters do. Nothing is random unless `fault` is."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.masters = {name: FakeMaster(name) for name in names}
        #: builds by UUID: master, state, when it finished
        self.journal: dict[str, tuple[str, str, float | None]] = {}

    def fault(self, command: c.Command) -> str | None:
        """None, `before` (never arrives), or `after` (done, and the answer is lost)."""
        return None

    def started(self, build: FakeBuild) -> None:
        """A build began."""

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
