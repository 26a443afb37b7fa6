"""A Gearman server and its job workers in memory: they keep builds until told what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from zuul.core.commands import LaunchBuild
from zuul.core.events import BuildCompleted, BuildStarted, Event
from zuul.model.build import BuildData, Worker
from zuul.model.layout import Precedence

SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
ABORTED = "ABORTED"

#: the order in which Gearman hands jobs out
_ORDER = {Precedence.HIGH: 0, Precedence.NORMAL: 1, Precedence.LOW: 2}
_WORKER = Worker(
    name="worker-1",
    hostname="worker-1.example.com",
    ips=("192.0.2.1",),
    fqdn="worker-1.example.com",
    program="jenkins",
    version="1.0",
    extra={"something": "else"},
)


@dataclass(slots=True, eq=False)
class FakeBuild:
    """One LaunchBuild and what became of it."""

    command: LaunchBuild
    number: int
    started_at: float | None = None
    #: the core asked for its end
    cancelled: bool = False
    ended: bool = False
    result: str | None = None

    @property
    def uuid(self) -> str:
        return self.command.build

    @property
    def job(self) -> str:
        return self.command.job

    @property
    def parameters(self) -> dict[str, str | None]:
        return dict(self.command.parameters)

    @property
    def pipeline(self) -> str:
        return self.parameters["ZUUL_PIPELINE"] or ""

    @property
    def changes(self) -> str:
        """`1,1 2,1`: all that is in the tested state, the tested change last."""
        return self.parameters.get("ZUUL_CHANGE_IDS") or ""

    @property
    def change(self) -> str:
        """The tested change alone."""
        return self.changes.rpartition(" ")[2]

    @property
    def data(self) -> BuildData:
        url = f"https://jenkins.example.com/job/{self.job}/{self.number}/"
        return BuildData(
            number=self.number, manager="jenkins", url=url, worker=_WORKER, node_name="node-1"
        )

    def __repr__(self) -> str:
        state = self.result if self.ended else "running" if self.started_at else "queued"
        return f"<{self.pipeline} {self.job} {self.changes} {state}>"


class FakeGearman:
    """All builds. What happens to them is told to `tell`."""

    def __init__(self, tell: Callable[[Event], None], now: Callable[[], float]) -> None:
        self._tell = tell
        self._now = now
        self.builds: dict[str, FakeBuild] = {}
        self.queued: list[FakeBuild] = []
        self.running: list[FakeBuild] = []
        #: ended on a worker, oldest first: what a worker never saw is not among them
        self.history: list[FakeBuild] = []
        self.unregistered: set[str] = set()
        #: whether a worker goes on with a build that it was told to stop
        self.is_stubborn: Callable[[], bool] = lambda: False
        #: job -> result, in order of preference
        self._rules: list[tuple[str, str | None, str | None, int | None]] = []

    def launch(self, command: LaunchBuild) -> None:
        assert command.build not in self.builds, "a build was launched twice"
        build = FakeBuild(command, len(self.builds))
        self.builds[command.build] = build
        if command.function in self.unregistered:
            self._end(build, "NOT_REGISTERED", data=None)
            return
        self.queued.append(build)
        self.queued.sort(key=lambda queued: _ORDER[queued.command.precedence])

    def cancel(self, uuid: str) -> None:
        """A queued build is taken out; a running one is aborted by its worker."""
        build = self.builds[uuid]
        build.cancelled = True
        if build in self.queued:
            self.queued.remove(build)
            self._end(build, None, data=None)
        elif build in self.running and not self.is_stubborn():
            self.finish(build, ABORTED)

    def start(self, build: FakeBuild) -> None:
        self.queued.remove(build)
        self.running.append(build)
        build.started_at = self._now()
        self._tell(BuildStarted(build.uuid, build.data, build.started_at))

    def finish(self, build: FakeBuild, result: str | None) -> None:
        self.running.remove(build)
        self.history.append(build)
        self._end(build, result, data=build.data)

    def _end(self, build: FakeBuild, result: str | None, data: BuildData | None) -> None:
        assert not build.ended
        build.ended = True
        build.result = result
        self._tell(BuildCompleted(build.uuid, result, data, self._now()))

    # What workers will answer

    def add_rule(
        self, job: str, result: str | None, change: str | None = None, times: int | None = None
    ) -> None:
        """Builds of `job` end as `result`, if `change` ("1,1") is in what they test."""
        self._rules.append((job, result, change, times))

    def result_for(self, build: FakeBuild) -> str | None:
        for index, (job, result, change, times) in enumerate(self._rules):
            if job != build.job or (change and change not in build.changes.split()):
                continue
            if times == 1:
                del self._rules[index]
            elif times is not None:
                self._rules[index] = (job, result, change, times - 1)
            return result
        return SUCCESS

    def matching(self, builds: list[FakeBuild], pattern: str) -> list[FakeBuild]:
        """Those whose job's name matches the pattern as a whole."""
        return [build for build in builds if re.fullmatch(pattern, build.job)]
