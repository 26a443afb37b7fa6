"""A site whose clouds work, with launches that fail for other reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from nodepool.core import commands, events
from nodepool.core.pauses import Place
from nodepool.core.steps import Step
from nodepool.model import MachineKey, Node, NodeState
from tests.unit.nodepool.core.site import GEARMAN, Site

CONFIG = (
    """\
labels:
  - {name: a, image: i, min-ready: 0, ready-script: r.sh, providers: [{name: p}, {name: q}]}
  - {name: b, image: i, min-ready: 0, providers: [{name: p}, {name: q}]}
providers:
  - {name: p, max-servers: 30, images: [{name: i, min-ram: 1, base-image: b}]}
  - {name: q, max-servers: 30, images: [{name: i, min-ram: 1, base-image: b}]}
targets:
  - {name: t, jenkins: {url: 'http://t', user: u, apikey: k}}
  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k}}
"""
    + GEARMAN
)
ONE_TARGET = CONFIG.replace("  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k}}\n", "")
ONLY_P = ONE_TARGET.replace(", {name: q}", "")
ASSIGNING = CONFIG.replace("t, jenkins:", "t, assign-via-gearman: true, jenkins:")
Fails = Callable[[Node], bool]


def with_test_job(text: str) -> str:
    return text.replace("apikey: k", "apikey: k, test-job: tt")


def nobody(node: Node) -> bool:
    return False


def at_t(node: Node) -> bool:
    return node.target == "t"


def in_p(node: Node) -> bool:
    return node.provider == "p"


class Shop(Site):
    """A site whose clouds work; every second all that can happen does."""

    def __init__(self, text: str = CONFIG, **more: object) -> None:
        super().__init__(text, **more)  # type: ignore[arg-type]
        self.launched: list[Node] = []
        self.fails: dict[Step, Fails] = {}

    def want(self, **jobs: int) -> None:
        self.tell(events.DemandRead(jobs, self.now))

    def come_up(self) -> None:
        """All servers, until their targets are told of them."""
        for provider in self.config.providers:
            self.list(provider)
        self.connect()
        self.prepare()

    def turn(self) -> None:
        self.launched += [self.rows[key.id] for key in self.create() if key.index == 0]
        for provider in self.config.providers:
            self.list(provider)
        for connect in self.take(commands.Connect):
            self.answer(connect.key.id, Step.CONNECT, events.Connected(connect.key))
        for prepare in self.take(commands.PrepareNode):
            done = events.Prepared("node", prepare.node.id)
            self.answer(prepare.node.id, Step.PREPARE, done)
        for register in self.take(commands.RegisterNode):
            done_too = events.Registered(register.node.id)
            self.answer(register.node.id, Step.REGISTER, done_too)
        for assign in self.take(commands.AssignNode):
            self.answer(assign.node.id, Step.ASSIGN, events.Assigned(assign.node.id, None))
        for test in self.take(commands.StartTestJob):
            status = "FAILURE" if self.fails.get(Step.TEST, nobody)(test.node) else "SUCCESS"
            self.finish_build(test.node, "tt", status)
        for relabel in self.take(commands.RelabelNode):
            self.tell(events.Relabeled(relabel.node.id))
        for call in self.take(commands.DeleteServer):
            self.servers.pop(call.server_id, None)
            self.tell(events.ServerGone(call.provider, call.server_id))
        for unregister in self.take(commands.UnregisterNode):
            self.tell(events.Unregistered(unregister.node_id))
        self.wait(1)

    def answer(self, node_id: int, step: Step, event: events.Event) -> None:
        if self.fails.get(step, nobody)(self.rows[node_id]):
            event = events.StepFailed(MachineKey("node", node_id), step, "error.unknown", "500")
        self.tell(event)

    def pause(self) -> None:
        """Wanted launches fail, those that replace the first failures too, until none goes."""
        self.turn()
        self.turn()
        assert self.told("launches_paused")
        assert self.take(commands.CreateServer) == []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.turn()

    def ready(self) -> Counter[str]:
        return Counter(
            f"{node.label}@{node.target}"
            for node in self.rows.values()
            if node.state is NodeState.READY
        )

    def told(self, hook: str) -> list[Place]:
        return [each[1] for each in self.observer.told if each[0] == hook]


def paused(**jobs: int) -> Shop:
    """The only target refused all nodes for these jobs, until launches to it were paused."""
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(**jobs)
    shop.pause()
    return shop
