"""MasterExecutor: carries out the bridge's commands to one master, each answered by one event.

Looks have a thread each, so that a slow one holds up no other; the rest shares a pool, in which the
commands about one build keep their order. Nothing here repeats a request: the bridge decides.
"""

from __future__ import annotations

import itertools
import logging
import queue
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final

from gearman_plugin_shim.commands import (
    CancelItem,
    DescribeBuild,
    FetchBuild,
    MasterCommand,
    PollComputers,
    PollJobs,
    PollQueue,
    PostBuild,
    SeekBuild,
    SetOffline,
    StopBuild,
)
from gearman_plugin_shim.config import MasterConfig
from gearman_plugin_shim.events import (
    BuildDescribed,
    BuildFetched,
    BuildPosted,
    BuildSought,
    BuildStopped,
    ComputersSeen,
    Event,
    ItemCancelled,
    JobsSeen,
    OfflineSet,
    Poll,
    PollFailed,
    QueueSeen,
)
from gearman_plugin_shim.jenkins import JenkinsMaster, session_of
from gearman_plugin_shim.jenkins_reader import JenkinsReader
from gearman_plugin_shim.model import Failure, FailureKind, PostKind, PostOutcome
from zuul.lib.jenkins.errors import (
    JenkinsError,
    JenkinsNotFound,
    JenkinsRefused,
    JenkinsUnavailable,
)
from zuul.lib.workers import Lanes, outcome_of

log = logging.getLogger("zuul.ShimMaster")

#: the looks: computers, jobs, queue
_POLL_THREADS: Final = 3


class MasterExecutor:
    """One master's threads and connections."""

    def __init__(
        self,
        config: MasterConfig,
        tell: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self.config = config
        self._tell = tell
        self._clock = clock
        session = session_of(config)
        self._master = JenkinsMaster(session)
        self._reader = JenkinsReader(session)
        #: commands that have not been answered, by a number of their own
        self._open: dict[int, MasterCommand] = {}
        self._numbers = itertools.count()
        self._polls = Lanes(f"poll-{config.name}", _POLL_THREADS)
        self._pool = Lanes(f"rest-{config.name}", config.connections)

    def start(self) -> None:
        self._polls.start()
        self._pool.start()

    def stop(self, timeout_seconds: float) -> None:
        """Drop what waits; a request that is out may go on in its thread until its time is over.

        What has not been answered by then is answered as failed.
        """
        deadline = self._clock() + timeout_seconds
        self._polls.stop(timeout_seconds)
        self._pool.stop(max(0.0, deadline - self._clock()))
        self._master.close()
        for number in list(self._open):
            self._end(number, None)

    def execute(self, command: MasterCommand) -> None:
        """Begin to carry it out; its answer comes as an event, whatever happens."""
        is_poll = isinstance(command, PollComputers | PollJobs | PollQueue)
        lanes = self._polls if is_poll else self._pool
        number = next(self._numbers)
        self._open[number] = command
        try:
            work = partial(self._carry_out, number, command)
            lanes.submit(lane_of(command), work, type(command).__name__)
        except queue.Full:
            self._end(number, None)

    def _carry_out(self, number: int, command: MasterCommand) -> None:
        event = outcome_of(partial(self._answer, command), type(command).__name__)
        self._end(number, None if isinstance(event, Exception) else event)

    def _end(self, number: int, event: Event | None) -> None:
        """Answer a command, unless that has been done: taking it out decides who does."""
        command = self._open.pop(number, None)
        if command is not None:
            failure = Failure(FailureKind.UNAVAILABLE, "was not carried out")
            self._tell(event or failed(command, failure, self._clock()))

    def _answer(self, command: MasterCommand) -> Event:
        asked_at = self._clock()
        try:
            return self._ask(command, asked_at)
        except JenkinsError as error:
            return failed(command, failure_of(error), asked_at)

    def _ask(self, command: MasterCommand, asked_at: float) -> Event:
        master, reader, name = self._master, self._reader, self.config.name
        match command:
            case PollComputers(detailed=detailed):
                computers = reader.fetch_computers(detailed=detailed)
                return ComputersSeen(name, asked_at, computers, detailed)
            case PollJobs():
                jobs, quieting = reader.fetch_jobs()
                return JobsSeen(name, asked_at, jobs, quieting)
            case PollQueue():
                return QueueSeen(name, asked_at, reader.fetch_queue())
            case PostBuild(uuid=uuid, job=job, parameters=parameters):
                return BuildPosted(name, uuid, master.post_build(job, parameters))
            case SeekBuild(uuid=uuid, job=job, queue_id=queue_id):
                found = reader.find(job, uuid, queue_id)
                return BuildSought(
                    name, uuid, asked_at, found.item, found.builds, cancelled=found.cancelled
                )
            case FetchBuild(id=build):
                info = reader.fetch_build(build.job, build.number)
                return BuildFetched(name, build, asked_at, info)
            case CancelItem(uuid=uuid, queue_id=queue_id):
                self._cancel(uuid, queue_id)
                return ItemCancelled(name, uuid)
            case StopBuild(id=build):
                master.stop_build(build.job, build.number)
                return BuildStopped(name, build)
            case DescribeBuild(id=build, html=html, ref=ref):
                master.describe_build(build.job, build.number, html)
                return BuildDescribed(ref)
            case SetOffline(node=node, url_name=url_name):
                master.set_offline(url_name)
                return OfflineSet(name, node)

    def _cancel(self, uuid: str, queue_id: int | None) -> None:
        if queue_id:
            self._master.cancel_item(queue_id)
            return
        # The place may belong to another item by the time the request arrives: one build too few
        # would be the end of it, as its submitter tries again.
        index = self._reader.find_index(uuid)
        if index is not None:
            self._master.cancel_index(index)


def lane_of(command: MasterCommand) -> Hashable:
    """Commands with the same lane are carried out one after the other."""
    match command:
        case PollComputers() | PollJobs() | PollQueue():
            return type(command).__name__
        case PostBuild(uuid=uuid) | SeekBuild(uuid=uuid) | CancelItem(uuid=uuid):
            return uuid
        case FetchBuild(id=build) | StopBuild(id=build) | DescribeBuild(id=build):
            return build
        case SetOffline(node=node):
            return ("offline", node)


def failure_of(error: JenkinsError) -> Failure:
    """An error of the edge as the bridge takes it."""
    if isinstance(error, JenkinsNotFound):
        return Failure(FailureKind.NOT_FOUND, error.reason)
    if isinstance(error, JenkinsRefused):
        denied = error.status in (401, 403)
        return Failure(FailureKind.DENIED if denied else FailureKind.REFUSED, error.reason)
    assert isinstance(error, JenkinsUnavailable), "there is no other kind"
    return Failure(FailureKind.UNAVAILABLE, error.reason)


def failed(command: MasterCommand, failure: Failure, asked_at: float) -> Event:
    """The event that says that a command was not carried out."""
    name = command.master
    match command:
        case PollComputers():
            return PollFailed(name, Poll.COMPUTERS, failure)
        case PollJobs():
            return PollFailed(name, Poll.JOBS, failure)
        case PollQueue():
            return PollFailed(name, Poll.QUEUE, failure)
        case PostBuild(uuid=uuid):
            # Whatever went wrong here may have gone wrong after the request.
            outcome = PostOutcome(PostKind.UNKNOWN, reason=failure.reason)
            return BuildPosted(name, uuid, outcome)
        case SeekBuild(uuid=uuid):
            return BuildSought(name, uuid, asked_at, failure=failure)
        case FetchBuild(id=build):
            return BuildFetched(name, build, asked_at, None, failure)
        case CancelItem(uuid=uuid):
            return ItemCancelled(name, uuid, failure)
        case StopBuild(id=build):
            return BuildStopped(name, build, failure)
        case DescribeBuild(ref=ref):
            return BuildDescribed(ref, failure)
        case SetOffline(node=node):
            return OfflineSet(name, node, failure)
