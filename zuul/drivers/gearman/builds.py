"""Builds as Gearman jobs: launch, follow, cancel, describe (contract zuul.md section 5).

All state is touched on one thread (`SerialThread`); packets and commands are posted to it. Every
build launched is told to have ended exactly once, whatever server, network and worker do.
"""

from __future__ import annotations

import json
import logging
import queue
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from zuul.core.commands import CancelBuild, DescribeBuild, LaunchBuild
from zuul.core.events import BuildCompleted, BuildStarted, BuildUpdated
from zuul.drivers import Inbox
from zuul.drivers.gearman.errands import Deaf, Errands, take_back
from zuul.drivers.gearman.payload import parse_report
from zuul.drivers.gearman.serial import OneThread, SerialThread, ThreadFactory
from zuul.lib.gearman import (
    AdminClient,
    ClientJob,
    FunctionRegistry,
    GearmanClient,
    Outcome,
    Priority,
)
from zuul.model.build import CANCELED, EXCEPTION, SUCCESS, BuildData
from zuul.model.layout import Precedence

log = logging.getLogger("zuul.Gearman")

NOT_REGISTERED: Final = "NOT_REGISTERED"
NO_HANDLE: Final = "NO_HANDLE"
LOST: Final = "LOST"

PRIORITIES: Final = {
    Precedence.HIGH: Priority.HIGH,
    Precedence.NORMAL: Priority.NORMAL,
    Precedence.LOW: Priority.LOW,
}
#: How often the server is asked whether it still knows a build, and how many builds a second.
_ASK_SECONDS: Final = 300.0
_ASK_AGAIN_SECONDS: Final = 5.0
_ASKED_PER_TICK: Final = 200
#: A build that was cancelled and does not end is given up after so long.
_CANCEL_SECONDS: Final = 300.0
_REMEMBERED: Final = 20_000


@dataclass(slots=True, eq=False)
class _Build:
    """One build that has not ended."""

    id: str
    job_name: str
    job: ClientJob | None = None
    data: BuildData = BuildData()
    has_data: bool = False
    #: `result` of the last data packet
    result: str | None = None
    started: bool = False
    stop_sent: bool = False
    #: the server did not know the build when last asked
    suspect: bool = False


class GearmanBuilds:
    """The builds of one scheduler. Commands may come on any thread and return at once."""

    def __init__(
        self,
        client: GearmanClient,
        admin: AdminClient,
        inbox: Inbox,
        *,
        check_registration: bool = True,
        clock: Callable[[], float] = time.time,
        ask_seconds: float = _ASK_SECONDS,
        cancel_seconds: float = _CANCEL_SECONDS,
        make_thread: ThreadFactory = SerialThread,
    ) -> None:
        self._client = client
        self._admin = admin
        self._inbox = inbox
        self._check_registration = check_registration
        self._clock = clock
        self._ask_seconds = ask_seconds
        self._cancel_seconds = cancel_seconds
        self._registry = FunctionRegistry(admin.status)
        self._generation = 0
        self._errands = Errands(client, admin)
        self._builds: dict[str, _Build] = {}
        #: name, number and manager of builds that have ended: they may still be described
        self._ended: OrderedDict[str, tuple[str, BuildData]] = OrderedDict()
        #: builds in the order in which they are asked about, and when it is their turn
        self._to_ask: OrderedDict[str, float] = OrderedDict()
        #: builds that were cancelled and have not ended, and since when
        self._cancelled: dict[str, float] = {}
        self._thread = make_thread("gearman-builds", self._tick)
        self._listener = _Listener(self, self._thread)

    def start(self) -> None:
        """Begin to work on commands."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; builds go on where they are."""
        self._thread.stop()

    @property
    def running(self) -> int:
        """Builds that have not ended."""
        return len(self._builds)

    def launch(self, command: LaunchBuild) -> None:
        """Submit a build. Its BuildCompleted will come."""
        self._thread.post(partial(self._launch, command))

    def cancel(self, command: CancelBuild) -> None:
        """Take a build out of the queue or stop it. Its BuildCompleted will come."""
        self._thread.post(partial(self._cancel, command))

    def describe(self, command: DescribeBuild) -> None:
        """Send a build's description to its worker, if that takes descriptions."""
        self._thread.post(partial(self._describe, command))

    # Commands, on the driver's thread.

    def _launch(self, command: LaunchBuild) -> None:
        if command.build in self._builds:
            log.error("Build launched twice, ignored build=%s job=%s", command.build, command.job)
            return
        build = _Build(command.build, command.job)
        self._builds[build.id] = build
        if command.job == "noop":
            self._complete(build, SUCCESS)
            return
        if not self._is_registered(command.function):
            log.error("Function is not registered function=%s build=%s", command.function, build.id)
            self._complete(build, NOT_REGISTERED)
            return
        parameters = {**command.parameters, "ZUUL_UUID": command.build}
        try:
            build.job = self._client.submit(
                command.function,
                json.dumps(parameters).encode(),
                self._listener,
                unique=command.build,
                priority=PRIORITIES[command.precedence],
                key=command.build,
            )
        except (queue.Full, ValueError, TypeError) as error:
            log.error("Build not submitted build=%s job=%s: %s", build.id, build.job_name, error)
            self._complete(build, EXCEPTION)

    def _is_registered(self, function: str) -> bool:
        """True also where it cannot be told: the server may come back within the time limit."""
        if not self._check_registration:
            return True
        if self._generation != self._client.generation:
            self._generation = self._client.generation
            self._registry.forget()
        try:
            return self._registry.is_registered(function)
        except OSError as error:
            log.warning("Gearman server did not list its functions: %s", error)
            return True

    def _cancel(self, command: CancelBuild) -> None:
        build = self._builds.get(command.build)
        if build is None:
            log.debug("Nothing to cancel build=%s", command.build)
            return
        if build.id not in self._cancelled:
            self._cancelled[build.id] = time.monotonic()
            self._stop(build)

    def _stop(self, build: _Build) -> None:
        """Take it out of the queue; or stop it where it runs; or wait until one is possible."""
        if build.data.number is not None and build.data.manager is not None:
            if not build.stop_sent:
                build.stop_sent = True
                arguments = {"name": build.job_name, "number": build.data.number}
                self._errands.send(f"stop:{build.data.manager}", arguments, Priority.HIGH)
        elif not build.started and build.job is not None:
            # gearmand "cancels" running jobs too, and they run on: `on_known` hears what it is.
            self._client.ask_status(build.job)

    def _describe(self, command: DescribeBuild) -> None:
        build = self._builds.get(command.build)
        if build is not None:
            name, data = build.job_name, build.data
        elif command.build in self._ended:
            name, data = self._ended[command.build]
        else:
            return
        if data.number is None or data.manager is None:
            return
        function = f"set_description:{data.manager}"
        if self._is_registered(function):
            arguments = {"name": name, "number": data.number, "html_description": command.html}
            self._errands.send(function, arguments, Priority.LOW)

    # News, on the driver's thread.

    def on_created(self, job: ClientJob) -> None:
        build = self._find(job)
        if build is not None:
            self._to_ask[build.id] = time.monotonic() + self._ask_seconds
            if build.id in self._cancelled:
                self._stop(build)

    def on_news(self, job: ClientJob, data: bytes | None) -> None:
        """WORK_DATA, or (data None) WORK_STATUS."""
        build = self._find(job)
        if build is None:
            return
        before = build.data
        if data:
            self._read(build, data)
        if not build.started:
            build.started = True
            self._inbox(BuildStarted(build.id, build.data, self._clock()))
        elif build.data != before:
            self._inbox(BuildUpdated(build.id, build.data))
        if build.id in self._cancelled:
            self._stop(build)

    def on_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """The server was asked about a build: twice unknown is lost."""
        build = self._find(job)
        if build is None:
            return
        if known:
            build.suspect = False
            waits = not running and not build.started
            if waits and build.id in self._cancelled and take_back(self._admin, job):
                self._client.abandon(job)
                self._complete(build, CANCELED)
        elif build.suspect:
            log.error("Gearman server does not know the build any more build=%s", build.id)
            self._client.abandon(job)
            self._complete(build, LOST)
        else:
            build.suspect = True
            self._to_ask[build.id] = time.monotonic() + _ASK_AGAIN_SECONDS
            self._to_ask.move_to_end(build.id, last=False)

    def on_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        build = self._find(job)
        if build is None:
            return
        if outcome is Outcome.COMPLETE and data:
            self._read(build, data)
        elif outcome is Outcome.EXCEPTION:
            log.warning("Worker raised build=%s: %s", build.id, ascii(data[:1000]))
        if outcome is Outcome.NO_HANDLE:
            self._complete(build, NO_HANDLE)
        elif outcome is Outcome.REFUSED:
            self._complete(build, EXCEPTION)
        elif outcome is Outcome.LOST:
            log.warning("Gearman server was lost with the build build=%s", build.id)
            self._complete(build, None)
        else:
            self._complete(build, build.result)

    def _find(self, job: ClientJob) -> _Build | None:
        """The build of a job, unless it has ended (or the job belongs to an earlier one)."""
        build = self._builds.get(job.key)
        return build if build is not None and build.job is job else None

    def _read(self, build: _Build, data: bytes) -> None:
        report = parse_report(data, build.data)
        for problem in report.problems:
            log.error(
                "Worker's data not understood build=%s job=%s %s",
                build.id,
                build.job_name,
                ascii(problem),
            )
        build.data, build.result, build.has_data = report.data, report.result, True

    def _complete(self, build: _Build, result: str | None) -> None:
        del self._builds[build.id]
        self._to_ask.pop(build.id, None)
        self._cancelled.pop(build.id, None)
        self._ended[build.id] = (build.job_name, build.data)
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        data = build.data if build.has_data else None
        self._inbox(BuildCompleted(build.id, result, data, self._clock()))

    # Time.

    def _tick(self, now: float) -> None:
        self._errands.tick(now)
        for _ in range(min(_ASKED_PER_TICK, len(self._to_ask))):
            build_id, due = next(iter(self._to_ask.items()))
            if due > now:
                break
            self._to_ask[build_id] = now + self._ask_seconds
            self._to_ask.move_to_end(build_id)
            job = self._builds[build_id].job
            if job is not None:
                self._client.ask_status(job)
        while self._cancelled:
            build_id, cancelled_at = next(iter(self._cancelled.items()))
            if now - cancelled_at < self._cancel_seconds:
                break
            self._give_up(self._builds[build_id])

    def _give_up(self, build: _Build) -> None:
        """A cancelled build whose worker neither stops nor answers is nobody's any more."""
        log.warning("Cancelled build did not end, given up build=%s", build.id)
        if build.job is not None:
            take_back(self._admin, build.job)
            self._client.abandon(build.job)
        self._complete(build, CANCELED)


class _Listener(Deaf):
    """Carries news from the reading thread to the driver's."""

    def __init__(self, builds: GearmanBuilds, thread: OneThread) -> None:
        self._builds = builds
        self._post = thread.post

    def job_created(self, job: ClientJob) -> None:
        self._post(partial(self._builds.on_created, job))

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self._post(partial(self._builds.on_news, job, data))

    def job_status(self, job: ClientJob) -> None:
        self._post(partial(self._builds.on_news, job, None))

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        self._post(partial(self._builds.on_known, job, known, running))

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self._post(partial(self._builds.on_ended, job, outcome, data))
