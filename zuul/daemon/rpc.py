"""RpcListener: what people ask for over Gearman, `zuul:*` (contract zuul.md 5.7).

The functions are ordinary Gearman functions: who may submit them is for the Gearman server to say.
A payload is parsed here; what it asks for is looked up by drivers, decided by the core, and
answered by the desk. These threads do nothing but wait.
"""

from __future__ import annotations

import logging
import queue
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

from zuul.core.commands import AnswerRequest
from zuul.core.events import Event
from zuul.core.requests import (
    DequeueRequested,
    EnqueueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.daemon.audit import Audit
from zuul.daemon.desk import Desk
from zuul.daemon.names import Names
from zuul.daemon.payload import Payload, parse_change
from zuul.daemon.status_document import encode_items
from zuul.drivers import Inbox, Source
from zuul.errors import RequestError
from zuul.lib import clock
from zuul.lib.gearman import BadArguments, GearmanWorker, Refused, Reply, Task
from zuul.model.brakes import Freeze, Hold
from zuul.model.layout import Layout

log = logging.getLogger("zuul.RPCListener")

#: Compat: administrators look for it in the server's list of workers
WORKER_NAME = "Zuul RPC Listener"
#: requests that may wait side by side, of those that a slow Gerrit makes wait and of the others
CONNECTIONS = 4
#: it asks a Gerrit: who wants to freeze everything does not queue up behind it
SLOW = frozenset(("zuul:enqueue",))
#: for a look-up, a turn of the scheduler and a write
ANSWER_SECONDS = 120.0

#: given a request's id, sees to it that it is answered
Begin = Callable[[str], None]


class Snapshot(Protocol):
    """The state between two events."""

    def running_items(self) -> list[dict[str, Any]]: ...

    def brakes(self) -> dict[str, Any]: ...


class SnapshotSource(Protocol):
    """Who owns the state."""

    def request_snapshot(self) -> Future[Any]: ...


class RpcListener:
    """The functions, and the Gearman worker that serves them."""

    def __init__(
        self,
        inbox: Inbox,
        desk: Desk,
        audit: Audit,
        snapshots: SnapshotSource,
        sources: Mapping[str, Source],
    ) -> None:
        self._inbox = inbox
        self._desk = desk
        self._audit = audit
        self._snapshots = snapshots
        self._sources = sources
        self._names = Names(Layout())
        self._workers: list[GearmanWorker] = []
        asked: dict[str, Callable[[Payload], Begin]] = {
            "zuul:enqueue": self._enqueue,
            "zuul:enqueue_ref": self._enqueue_ref,
            "zuul:dequeue": self._dequeue,
            "zuul:promote": self._promote,
            "zuul:freeze": self._freeze,
            "zuul:unfreeze": self._unfreeze,
            "zuul:hold": self._hold,
            "zuul:unhold": self._unhold,
        }
        self.functions: dict[str, Callable[[Task], Reply]] = {
            "zuul:get_running_jobs": self._get_running_jobs,
            "zuul:get_brakes": self._get_brakes,
            **{name: self._make_function(parse) for name, parse in asked.items()},
        }

    def set_layout(self, layout: Layout) -> None:
        """The names that are good from now on. Any thread."""
        self._names = Names(layout)

    def connect(self, host: str, port: int, ssl_context: ssl.SSLContext | None) -> None:
        """Take requests from this Gearman server."""
        for is_slow in (True, False):
            functions = {n: f for n, f in self.functions.items() if (n in SLOW) is is_slow}
            worker = GearmanWorker(
                WORKER_NAME,
                host,
                port,
                functions,
                connections=CONNECTIONS,
                ssl_context=ssl_context,
            )
            self._workers.append(worker)
            worker.start()

    def stop(self) -> None:
        """The desk answers who still waits, so it is stopped before."""
        for worker in self._workers:
            worker.stop()

    # -- asking --------------------------------------------------------------------------------

    def _make_function(self, parse: Callable[[Payload], Begin]) -> Callable[[Task], Reply]:
        def function(task: Task) -> Reply:
            payload = _read(task)
            by, reason, answer = "", None, None
            try:
                by, reason = payload.caller(), payload.find_text("reason")
                begin = parse(payload)
                payload.finish()
            except RequestError as problem:
                answer = AnswerRequest("", error=str(problem))
            answer = answer or self._ask(begin)
            self._audit.write(
                task.function,
                at=clock.now(),
                by=by,
                reason=reason,
                arguments=payload.arguments,
                error=answer.error,
                note=answer.note,
            )
            if answer.error is not None:
                raise Refused(answer.error)
            if answer.note is not None:
                task.send_data({"note": answer.note})
            return None

        return function

    def _ask(self, begin: Begin) -> AnswerRequest:
        request, future = self._desk.open()
        begin(request)
        try:
            return future.result(ANSWER_SECONDS)
        except FutureTimeoutError:
            self._desk.forget(request)
            text = (
                f"no answer in {ANSWER_SECONDS:.0f} s, it may still be done: look before retrying"
            )
            return AnswerRequest(request, error=text)

    def _tell(self, make: Callable[[str], Event]) -> Begin:
        return lambda request: self._inbox(make(request))

    def _check(self, **names: str | None) -> None:
        problems = self._names.problems(**names)
        if problems:
            raise RequestError("\n".join(problems))

    def _source(self, pipeline: str) -> Source:
        name = self._names.sources[pipeline]
        source = self._sources.get(name)
        if source is None:
            raise RequestError(f"Connection {name} of pipeline {pipeline} knows no changes")
        return source

    # -- the functions -------------------------------------------------------------------------

    def _enqueue(self, payload: Payload) -> Begin:
        trigger, project = payload.text("trigger"), payload.text("project")
        pipeline, change = payload.text("pipeline"), payload.text("change")
        self._check(trigger=trigger, project=project, pipeline=pipeline)
        number, patchset = parse_change(change)
        source = self._source(pipeline)

        def begin(request: str) -> None:
            def refuse(reason: str) -> None:
                self._desk.refuse(request, f"Invalid change: {change}\n{reason}")

            try:
                source.look_up(
                    number,
                    patchset,
                    lambda changes: EnqueueRequested(
                        request, pipeline, project, changes[0], changes
                    ),
                    refuse,
                )
            except queue.Full as error:
                refuse(f"it cannot be looked up now: {error}")

        return begin

    def _enqueue_ref(self, payload: Payload) -> Begin:
        trigger, project = payload.text("trigger"), payload.text("project")
        pipeline, ref = payload.text("pipeline"), payload.text("ref")
        oldrev, newrev = payload.revision("oldrev"), payload.revision("newrev")
        self._check(trigger=trigger, project=project, pipeline=pipeline)
        if oldrev == newrev:
            raise RequestError("The old and the new revision are the same")
        subject = self._source(pipeline).make_ref(project, ref, oldrev, newrev)
        return self._tell(lambda request: EnqueueRequested(request, pipeline, project, subject))

    def _dequeue(self, payload: Payload) -> Begin:
        pipeline, project = payload.text("pipeline"), payload.find_text("project")
        change, ref = payload.find_change("change"), payload.find_text("ref")
        tick = payload.flag("tick")
        self._check(pipeline=pipeline, project=project)
        if [change is not None, ref is not None, tick].count(True) != 1:
            raise RequestError("Name one of a change, a ref, or a timer's tick")
        if project is None and change is None:
            raise RequestError("Name the project")
        return self._tell(
            lambda request: DequeueRequested(request, pipeline, project, change, ref, tick)
        )

    def _promote(self, payload: Payload) -> Begin:
        pipeline, changes = payload.text("pipeline"), payload.changes("change_ids")
        self._check(pipeline=pipeline)
        return self._tell(lambda request: PromoteRequested(request, pipeline, changes))

    def _freeze(self, payload: Payload) -> Begin:
        pipeline, project = payload.find_text("pipeline"), payload.find_text("project")
        reason, by = payload.text("reason"), payload.caller()
        self._check(pipeline=pipeline, project=project)
        freeze = Freeze(pipeline, project, reason, by, clock.now())
        return self._tell(lambda request: FreezeRequested(request, freeze))

    def _unfreeze(self, payload: Payload) -> Begin:
        # Not checked: what is frozen may have left the layout.
        pipeline, project = payload.find_text("pipeline"), payload.find_text("project")
        return self._tell(lambda request: UnfreezeRequested(request, pipeline, project))

    def _hold(self, payload: Payload) -> Begin:
        pipeline, (number, patchset) = payload.text("pipeline"), payload.review("change")
        reason, by = payload.text("reason"), payload.caller()
        self._check(pipeline=pipeline)
        hold = Hold(pipeline, number, patchset, reason, by, clock.now())
        return self._tell(lambda request: HoldRequested(request, hold))

    def _unhold(self, payload: Payload) -> Begin:
        pipeline, (number, patchset) = payload.text("pipeline"), payload.review("change")
        return self._tell(lambda request: UnholdRequested(request, pipeline, number, patchset))

    def _get_running_jobs(self, task: Task) -> Reply:
        return encode_items(self._snapshot(task).running_items())

    def _get_brakes(self, task: Task) -> Reply:
        return self._snapshot(task).brakes()

    def _snapshot(self, task: Task) -> Snapshot:
        """The present state. Raises Refused where the scheduler does not answer."""
        _read(task)
        try:
            snapshot: Snapshot = self._snapshots.request_snapshot().result(ANSWER_SECONDS)
        except FutureTimeoutError:
            raise Refused(f"the scheduler does not answer in {ANSWER_SECONDS:.0f} s") from None
        return snapshot


def _read(task: Task) -> Payload:
    try:
        return Payload(task.function, task.arguments())
    except BadArguments as problem:
        raise Refused(str(problem)) from problem
