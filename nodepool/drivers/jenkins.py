"""TargetEdge: the core's calls to targets, done on threads of each target, answered as events."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nodepool.config.values import JenkinsConfig, TargetConfig
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers.offers import Offers
from nodepool.drivers.pace import TaskHook
from nodepool.drivers.target_jenkins import TargetJenkins
from nodepool.errors import NoTurn, TargetError, TargetUnavailable
from nodepool.model import MachineKey
from zuul.lib.workers import Lanes, outcome_of

log = logging.getLogger("nodepool.TargetEdge")

Inbox = Callable[[events.Event], None]
#: calls of one target that may be under way at once
THREADS = 4
MOST_WAITING = 20_000
#: nodes whose making is remembered until they have their label
MOST_UNLABELED = 10_000
STOP_SECONDS = 5.0
#: a call's tries, each after a pause, as long as its time is not over
TRIES = 10

NodeCall = (
    commands.RegisterNode
    | commands.StartTestJob
    | commands.RelabelNode
    | commands.SetNodeOffline
    | commands.UnregisterNode
)
JenkinsCall = NodeCall | commands.ReadBuilds
TargetCall = JenkinsCall | commands.AssignNode | commands.RevokeNode

#: seconds within which a call's requests must have started: the core does not wait for ever
#: (launch_flow.TIMEOUTS, removal.FIRST_WAIT, offline.ANSWER_SECONDS, unheard.ANSWER_SECONDS), and
#: asks anew or gives the node up
PATIENCE: Mapping[type[JenkinsCall], float] = {
    commands.RegisterNode: 240.0,
    commands.StartTestJob: 100.0,
    commands.RelabelNode: 100.0,
    commands.SetNodeOffline: 50.0,
    commands.UnregisterNode: 80.0,
    commands.ReadBuilds: 200.0,
}


@dataclass(slots=True)
class Account:
    """A target's Jenkins at work."""

    config: TargetConfig
    jenkins: TargetJenkins
    lanes: Lanes
    #: calls that no thread has begun, with their deadlines (monotonic); whoever takes one out
    #: answers it
    waiting: dict[int, tuple[JenkinsCall, float]] = field(default_factory=dict)
    #: how nodes without a label were made, by name
    unlabeled: dict[str, commands.RegisterNode] = field(default_factory=dict)


class TargetEdge:
    """All targets. `configure`, `stop` and `submit` from one thread.

    Calls on one node keep their order; others of a target do not wait for each other's answers. A
    walk through a target's builds is one of them, and takes its turn request by request.
    Targets share nothing but the threads of node_assign and node_revoke.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        gearman: Offers | None = None,
        on_task: TaskHook | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        """`gearman`: for targets with assign-via-gearman; it is started and stopped here.
        `on_task` is told of each request, on any thread: target, task, seconds."""
        self._inbox = inbox
        self._gearman = gearman
        self._on_task = on_task
        self._timeout = timeout_seconds
        self._numbers = 0
        self._stopped = False
        self._accounts: dict[str, Account] = {}

    def start(self) -> None:
        if self._gearman is not None:
            self._gearman.start()

    def configure(self, targets: Mapping[str, TargetConfig]) -> None:
        """Start, change and end targets; what waits for a target that goes is answered."""
        for name, account in list(self._accounts.items()):
            wanted = targets.get(name)
            if wanted is None or wanted.jenkins is None:
                del self._accounts[name]
                self._end(account)
            else:
                before, account.config = account.config, wanted
                if (before.jenkins, before.rate) != (wanted.jenkins, wanted.rate):
                    old, account.jenkins = account.jenkins, self._connect(wanted, wanted.jenkins)
                    old.close()
        for name, config in targets.items():
            if config.jenkins is not None and name not in self._accounts:
                lanes = Lanes(f"target-{name}", THREADS, limit=MOST_WAITING)
                account = Account(config, self._connect(config, config.jenkins), lanes)
                self._accounts[name] = account
                lanes.start()

    def _connect(self, target: TargetConfig, jenkins: JenkinsConfig) -> TargetJenkins:
        return TargetJenkins(
            target.name,
            jenkins,
            rate=target.rate,
            timeout_seconds=self._timeout,
            connections=THREADS,
            on_task=self._on_task,
        )

    def _end(self, account: Account) -> None:
        """Without waiting: a call that is under way is answered by its thread."""
        account.lanes.stop(0.0)
        account.jenkins.close()
        for number in list(account.waiting):
            if (found := account.waiting.pop(number, None)) is not None:
                text = f"target {account.config.name} left the configuration"
                self._failed(found[0], text)

    def stop(self) -> None:
        """Within seconds. Nothing is told after this: what was under way is found out at the next
        start."""
        self._stopped = True
        accounts, self._accounts = self._accounts, {}
        for account in accounts.values():
            account.jenkins.pace.close()
            account.lanes.stop(0.0)
        deadline = time.monotonic() + STOP_SECONDS
        for account in accounts.values():
            account.lanes.stop(max(0.0, deadline - time.monotonic()))
            account.jenkins.close()
        if self._gearman is not None:
            self._gearman.stop()

    # -- calls -------------------------------------------------------------------------------------

    def submit(self, call: TargetCall) -> None:
        """Never blocks, never raises; the answers are events."""
        match call:
            case commands.AssignNode() if self._gearman is not None:
                self._gearman.assign(call)
            case commands.AssignNode():
                self._failed(call, "no Gearman server is configured")
            case commands.RevokeNode():
                if self._gearman is not None:
                    self._gearman.revoke(call)
            case _:
                self._submit(call)

    def _submit(self, call: JenkinsCall) -> None:
        target = target_of(call)
        account = self._accounts.get(target)
        if account is None:
            self._failed(call, f"target {target} has no Jenkins in the configuration")
            return
        self._numbers += 1
        number = self._numbers
        account.waiting[number] = (call, time.monotonic() + PATIENCE[type(call)])
        what = f"{type(call).__name__} in {target}"
        try:
            account.lanes.submit(lane_of(call), lambda: self._run(account, number), what)
        except queue.Full as error:
            del account.waiting[number]
            self._failed(call, str(error))

    def _run(self, account: Account, number: int) -> None:
        found = account.waiting.pop(number, None)
        if found is None:
            return
        call, until = found
        what = f"{name_of(call)} in {account.config.name}"
        answer = outcome_of(lambda: self._answer(account, call, until), what)
        if isinstance(answer, Exception):
            answer = failure_of(call, f"{type(answer).__name__} in nodepool, see its log")
        self._tell(answer)

    def _answer(self, account: Account, call: JenkinsCall, until: float) -> events.Event:
        text = ""
        for _ in range(TRIES):
            jenkins = account.jenkins
            try:
                return self._do(jenkins, account.unlabeled, call, until)
            except NoTurn as error:
                text = text or str(error)
                if account.jenkins is jenkins:
                    break
            except TargetUnavailable as error:
                text = str(error)
                if isinstance(call, commands.StartTestJob):
                    break  # it may have been queued, and must not run twice
                log.info("%s is tried again: %s", name_of(call), text)
            except TargetError as error:
                text = str(error)
                break
        return self._given_up(call, text)

    def _do(
        self,
        jenkins: TargetJenkins,
        unlabeled: dict[str, commands.RegisterNode],
        call: JenkinsCall,
        until: float,
    ) -> events.Event:
        match call:
            case commands.RegisterNode(node=node):
                jenkins.create_node(call, until)
                if call.label is None and len(unlabeled) < MOST_UNLABELED:
                    unlabeled[node.nodename] = call
                return events.Registered(node.id)
            case commands.StartTestJob(node=node):
                jenkins.start_job(call.job, node.nodename, until)
                return events.TestJobStarted(node.id)
            case commands.RelabelNode(node=node):
                jenkins.relabel_node(node.nodename, node.label, unlabeled.get(node.nodename), until)
                unlabeled.pop(node.nodename, None)
                return events.Relabeled(node.id)
            case commands.SetNodeOffline():
                jenkins.set_offline(call.nodename, until)
                return events.NodeSetOffline(call.node_id)
            case commands.ReadBuilds():
                since = min(each.since for each in call.wanted)
                log.debug("%s: nodes=%d since=%.0f", name_of(call), len(call.wanted), since)
                builds, unsure = jenkins.find_builds(call.wanted, until)
                return events.BuildsListed(call.target, builds, unsure)
            case commands.UnregisterNode():
                unlabeled.pop(call.nodename, None)
                jenkins.delete_node(call.nodename, until)
                return events.Unregistered(call.node_id)

    # -- failures ----------------------------------------------------------------------------------

    def _given_up(self, call: JenkinsCall | commands.AssignNode, text: str) -> events.Event:
        log.warning("%s failed: %s", name_of(call), text)
        return failure_of(call, text)

    def _failed(self, call: JenkinsCall | commands.AssignNode, text: str) -> None:
        self._tell(self._given_up(call, text))

    def _tell(self, event: events.Event) -> None:
        if not self._stopped:
            self._inbox(event)


def target_of(call: JenkinsCall) -> str:
    match call:
        case commands.SetNodeOffline() | commands.UnregisterNode() | commands.ReadBuilds():
            return call.target
        case _:
            return call.node.target


def node_of(call: NodeCall | commands.AssignNode) -> int:
    match call:
        case commands.SetNodeOffline() | commands.UnregisterNode():
            return call.node_id
        case _:
            return call.node.id


def lane_of(call: JenkinsCall) -> int | str:
    """Calls of one node keep their order, and so do questions."""
    return "builds" if isinstance(call, commands.ReadBuilds) else node_of(call)


def name_of(call: JenkinsCall | commands.AssignNode) -> str:
    """For the log."""
    kind = type(call).__name__
    if isinstance(call, commands.ReadBuilds):
        return f"{kind} of target {call.target}"
    return f"{kind} of node {node_of(call)}"


def failure_of(call: JenkinsCall | commands.AssignNode, text: str) -> events.Event:
    """The answer to a call that failed."""
    match call:
        case commands.UnregisterNode():
            return events.UnregisterFailed(call.node_id, text)
        case commands.SetNodeOffline():
            return events.NodeNotSetOffline(call.node_id, text)
        case commands.ReadBuilds():
            return events.BuildsNotListed(call.target, text)
        case _:
            return events.StepFailed(
                MachineKey("node", call.node.id), _STEPS[type(call)], text=text
            )


_STEPS = {
    commands.RegisterNode: Step.REGISTER,
    commands.StartTestJob: Step.TEST,
    commands.RelabelNode: Step.TEST,
    commands.AssignNode: Step.ASSIGN,
}
