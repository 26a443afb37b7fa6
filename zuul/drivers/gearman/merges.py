"""Merges as Gearman jobs: what is merged by whom, and what is asked again.

An item behind another waits here until that one's answer has come, and is then asked of the merger
that has it, which costs one merge and one short request instead of the whole series:

    request N-1 answered by merger M  ->  merger:merge:M  {"items": [N], "parent": {"ref": P}}
    M is gone, or has not got P       ->  merger:merge    {"items": [first .. N]}

All state is touched on one thread. Every request is answered exactly once.
"""

from __future__ import annotations

import json
import logging
import queue
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from zuul.core.commands import MergeChanges, UpdateRepo
from zuul.core.events import MergeCompleted, RepoUpdated
from zuul.drivers import Inbox
from zuul.drivers.gearman.builds import PRIORITIES
from zuul.drivers.gearman.errands import Deaf, take_back
from zuul.drivers.gearman.serial import OneThread, SerialThread, ThreadFactory
from zuul.drivers.gearman.series import item_fields, parse_head, parse_merged, parse_updated
from zuul.errors import ConnectionLost, MergerError
from zuul.lib.gearman import AdminClient, ClientJob, GearmanClient, Outcome, Priority
from zuul.model.build import MergeResult, SeriesItem

log = logging.getLogger("zuul.MergeClient")

MERGE: Final = "merger:merge"
UPDATE: Final = "merger:update"
HEAD: Final = "merger:head"

#: Answers kept so that an item behind can name its parent.
_REMEMBERED: Final = 50_000
#: A merger that dies in mid-work, or a lost server, is no answer: so often another is asked.
_ATTEMPTS: Final = 3
#: the merger's own bound
_MOST_ANNOUNCED: Final = 1_000
_LOOK_SECONDS: Final = 5.0
#: before an item that a merger could not merge, for no conflict, is asked for again
_PAUSE_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 2 * 3600.0


@dataclass(slots=True, eq=False)
class _Request:
    """A command that has not been answered."""

    command: MergeChanges | UpdateRepo
    since: float
    job: ClientJob | None = None
    #: the merger it was asked of by name
    merger: str | None = None
    #: ask any merger, for the whole series
    whole: bool = False
    attempts: int = 0
    #: requests whose item is right behind this one's
    behind: list[_Request] = field(default_factory=list)
    #: a merger was told that this item will come
    announced: bool = False


class GearmanMerges:
    """The merges of one scheduler. `git_url(connection, project)` is where mergers clone from."""

    def __init__(
        self,
        client: GearmanClient,
        admin: AdminClient,
        inbox: Inbox,
        git_url: Callable[[str, str], str],
        *,
        answer_seconds: float = _ANSWER_SECONDS,
        make_thread: ThreadFactory = SerialThread,
    ) -> None:
        self._client = client
        self._admin = admin
        self._inbox = inbox
        self._git_url = git_url
        self._answer_seconds = answer_seconds
        self._requests: OrderedDict[str, _Request] = OrderedDict()
        #: request -> its answer
        self._answers: OrderedDict[str, MergeResult] = OrderedDict()
        self._ready: deque[_Request] = deque()
        #: (monotonic time, request) of those to be asked again
        self._later: list[tuple[float, _Request]] = []
        self._next_look = 0.0
        self._thread = make_thread("gearman-merges", self._tick)
        self._listener = _Listener(self, self._thread)

    def start(self) -> None:
        """Begin to work on commands."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def merge(self, command: MergeChanges) -> None:
        """Have an item merged. Its MergeCompleted will come."""
        self._thread.post(partial(self._merge, command))

    def update(self, command: UpdateRepo) -> None:
        """Have a clone updated. Its RepoUpdated will come."""
        self._thread.post(partial(self._update, command))

    def fetch_branch_head(
        self, project: str, connection: str, branch: str, timeout_seconds: float = 60.0
    ) -> tuple[str, str]:
        """(commit sha, tree sha) of a branch at its origin, through a merger; blocks.

        Raises ConnectionLost when no merger answers in time, MergerError when it cannot tell.
        """
        arguments = {**self._repo_fields(connection, project), "branch": branch}
        payload = json.dumps(arguments).encode()
        try:
            outcome, answer = self._client.call(
                HEAD, payload, timeout_seconds=timeout_seconds, priority=Priority.HIGH
            )
        except queue.Full as error:
            raise ConnectionLost(str(error), connection="gearman") from error
        if outcome is Outcome.EXCEPTION:
            raise MergerError(answer.decode(errors="replace")[:1000])
        if outcome is not Outcome.COMPLETE:
            word = outcome.value if outcome else "no answer in time"
            raise ConnectionLost(f"merger did not tell the head of {branch}: {word}")
        try:
            return parse_head(answer)
        except ValueError as error:
            raise MergerError(f"merger did not tell the head of {branch}: {error}") from error

    # Commands, on the driver's thread.

    def _merge(self, command: MergeChanges) -> None:
        request = _Request(command, time.monotonic())
        self._requests[command.request] = request
        ahead = command.item.ahead
        waiting = self._requests.get(ahead.request) if ahead else None
        if waiting is not None:
            waiting.behind.append(request)
        else:
            self._ready.append(request)
        self._send_ready()

    def _update(self, command: UpdateRepo) -> None:
        request = _Request(command, time.monotonic())
        self._requests[command.request] = request
        self._ready.append(request)
        self._send_ready()

    def _send_ready(self) -> None:
        """A loop, for an answer may free the request behind, whose answer frees the next."""
        while self._ready:
            request = self._ready.popleft()
            try:
                self._send(request)
            except LookupError as error:
                self._fail(request, f"connection or project is not configured: {error}")

    def _send(self, request: _Request) -> None:
        """Ask the merger that has the parent, or else any merger for the whole series."""
        command = request.command
        if isinstance(command, UpdateRepo):
            self._submit(request, UPDATE, self._repo_fields(command.connection, command.project))
            return
        parent = command.item.ahead
        answer = self._answers.get(parent.request) if parent else None
        if answer is not None and answer.conflict is not None:
            # What is behind a conflict conflicts in the same place.
            self._answer(request, MergeResult(merged=False, conflict=answer.conflict))
        elif request.whole or not (parent and answer and answer.merged and answer.merger_id):
            items = [self._item(item) for item in command.item.front_first()]
            self._submit(request, MERGE, {"items": items, **_announce(request)})
        else:
            request.merger = answer.merger_id
            items = [self._item(command.item)]
            arguments = {"items": items, "parent": {"ref": parent.zuul_ref}, **_announce(request)}
            self._submit(request, f"{MERGE}:{answer.merger_id}", arguments)

    def _item(self, item: SeriesItem) -> dict[str, Any]:
        return item_fields(item, self._git_url(item.connection, item.project))

    def _repo_fields(self, connection: str, project: str) -> dict[str, Any]:
        url = self._git_url(connection, project)
        return {"project": project, "connection_name": connection, "url": url}

    def _submit(self, request: _Request, function: str, arguments: Mapping[str, Any]) -> None:
        request.attempts += 1
        request.since = time.monotonic()
        command = request.command
        try:
            request.job = self._client.submit(
                function,
                json.dumps(arguments).encode(),
                self._listener,
                priority=PRIORITIES[command.precedence],
                key=command.request,
            )
        except (queue.Full, ValueError) as error:
            self._fail(request, f"request not submitted: {error}")

    # Answers, on the driver's thread.

    def on_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        request = self._requests.get(job.key)
        if request is None or request.job is not job:
            return
        if outcome is Outcome.COMPLETE:
            self._read(request, data)
        elif outcome is Outcome.EXCEPTION:
            self._fail(request, "merger raised: " + data.decode(errors="replace")[:1000])
        elif outcome is not Outcome.NO_HANDLE and request.attempts < _ATTEMPTS:
            log.warning("Merger was lost, asking again request=%s: %s", job.key, outcome.value)
            self._ask_any(request)
        else:
            self._fail(request, f"no merger answered: {outcome.value}")
        self._send_ready()

    def _read(self, request: _Request, data: bytes) -> None:
        name = request.command.request
        try:
            if isinstance(request.command, UpdateRepo):
                self._updated(request, parse_updated(data), None)
                return
            result, unknown_parent = parse_merged(data)
        except ValueError as error:
            self._fail(request, f"merger's answer not understood: {error}")
            return
        if unknown_parent and request.merger is not None:
            log.info("Merger has not got the parent merger=%s, sending all", request.merger)
            self._ask_any(request)
        elif result.error and not result.conflict and request.attempts < _ATTEMPTS:
            # Not the change's fault, as far as one can tell: Gerrit or a disk may be back soon.
            log.warning("Merger could not merge, asking again request=%s: %s", name, result.error)
            request.job = None
            self._later.append((time.monotonic() + _PAUSE_SECONDS * request.attempts, request))
        else:
            self._answer(request, result)

    def _ask_any(self, request: _Request) -> None:
        request.merger, request.whole = None, True
        self._ready.append(request)

    def _fail(self, request: _Request, error: str) -> None:
        log.error("Merger request failed request=%s: %s", request.command.request, ascii(error))
        if isinstance(request.command, UpdateRepo):
            self._updated(request, None, error)
        else:
            self._answer(request, MergeResult(merged=False, error=error))

    def _answer(self, request: _Request, result: MergeResult) -> None:
        name = request.command.request
        del self._requests[name]
        self._answers[name] = result
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        self._ready.extend(request.behind)
        self._inbox(MergeCompleted(name, result))

    def _updated(self, request: _Request, zuul_url: str | None, error: str | None) -> None:
        name = request.command.request
        del self._requests[name]
        self._inbox(RepoUpdated(name, zuul_url, error))

    # Time.

    def _tick(self, now: float) -> None:
        due = [request for at, request in self._later if at <= now]
        if due:
            self._later = [waiting for waiting in self._later if waiting[0] > now]
            for request in due:
                self._ask_any(request)
            self._send_ready()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        named: list[_Request] = []
        for request in list(self._requests.values()):
            if request.job is not None and now - request.since > self._answer_seconds:
                self._take_back(request)
                self._fail(request, f"no merger answered within {self._answer_seconds:.0f} s")
            elif request.merger is not None:
                named.append(request)
        self._leave_dead_mergers(named)
        self._send_ready()

    def _leave_dead_mergers(self, requests: list[_Request]) -> None:
        """Requests that wait for one merger by name must not wait for one that has gone."""
        if not requests:
            return
        try:
            functions = self._admin.status()
        except OSError as error:
            log.warning("Gearman server did not list its functions: %s", error)
            return
        for request in requests:
            status = functions.get(f"{MERGE}:{request.merger}")
            if (status is None or not status.workers) and self._take_back(request):
                log.warning("Merger has gone merger=%s, sending all to another", request.merger)
                self._ask_any(request)

    def _take_back(self, request: _Request) -> bool:
        """Withdraw what was submitted; False if it runs already or its end is on the way."""
        job = request.job
        return job is not None and take_back(self._admin, job) and self._client.abandon(job)


def _announce(request: _Request) -> dict[str, Any]:
    """What the items behind will need, so that the merger fetches it all at once; told once."""
    refspecs: list[dict[str, str]] = []
    waiting = deque(request.behind)
    while waiting and len(refspecs) < _MOST_ANNOUNCED:
        behind = waiting.popleft()
        waiting.extend(behind.behind)
        if not behind.announced and isinstance(behind.command, MergeChanges):
            behind.announced = True
            item = behind.command.item
            refspecs.append({"project": item.project, "refspec": item.refspec})
    return {"prefetch": refspecs} if refspecs else {}


class _Listener(Deaf):
    """Carries answers from the reading thread to the driver's."""

    def __init__(self, merges: GearmanMerges, thread: OneThread) -> None:
        self._merges = merges
        self._post = thread.post

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self._post(partial(self._merges.on_ended, job, outcome, data))
