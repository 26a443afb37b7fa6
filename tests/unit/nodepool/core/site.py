"""Site: a pool with one provider or more, told step by step what happens; no clock, no thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from nodepool.config import parse_config
from nodepool.config.values import NodepoolConfig
from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.pool import Pool
from nodepool.core.ports import EVERYTHING, Switches
from nodepool.model import (
    CloudImage,
    Heard,
    MachineKey,
    Node,
    NodeState,
    Owner,
    Presence,
    Server,
    SnapshotImage,
)
from tests.support.fake_pool_observer import CountingObserver

CONFIG = """\
script-dir: /scripts
labels:
  - {name: one, image: i, min-ready: 1, ready-script: r.sh, providers: [{name: p}]}
providers:
  - name: p
    max-servers: 10
    availability-zones: [az1, az2]
    images: [{name: i, min-ram: 1, base-image: b, setup: s.sh, meta: {a: b}}]
targets:
  - name: t
    jenkins: {url: 'http://t', user: u, apikey: k}
"""
GEARMAN = "gearman-servers: [{host: g}]\n"

HOST_KEYS = ("ssh-ed25519 " + "A" * 68,)

#: the first node's own machine
KEY = MachineKey("node", 1)

C = TypeVar("C", bound=commands.Call)


class Numbers:
    def __init__(self) -> None:
        self.last = 0

    def next_node(self) -> int:
        self.last += 1
        return self.last

    def next_image(self) -> int:
        return self.next_node() + 1000


def ready_image(number: int = 500, provider: str = "p", version: int = 1) -> SnapshotImage:
    return SnapshotImage(
        id=number,
        provider=provider,
        image="i",
        state=NodeState.READY,
        state_at=0.0,
        hostname="template",
        version=version,
        external_id=f"image-{number}",
        presence=Presence.EXISTS,
        machine=commands.Machine(presence=Presence.GONE),
        proven=True,
    )


class Site:
    """Calls that were asked for and not looked at yet are in `calls`."""

    def __init__(
        self,
        text: str = CONFIG,
        *,
        nodes: tuple[Node, ...] = (),
        images: tuple[SnapshotImage, ...] | None = None,
        holds: dict[str, int] | None = None,
        heard: Heard | None = None,
        switches: Switches = EVERYTHING,
    ) -> None:
        self.now = 1000.0
        self.config: NodepoolConfig = parse_config(text, "site")
        self.observer = CountingObserver()
        numbers = Numbers()
        numbers.last = max((*(n.id for n in nodes), *(i.id - 1000 for i in images or ()), 0))
        self.pool = Pool(self.config, "ours", numbers, self.observer, switches)
        self.calls: list[commands.Call] = []
        #: requests of people
        self.answered: list[int] = []
        #: what was saved, in turn
        self.heard: list[Heard] = []
        self.rows: dict[int, Node] = {node.id: node for node in nodes}
        self.servers: dict[str, Server] = {}
        if images is None:
            images = tuple(
                ready_image(500 + n, name) for n, name in enumerate(self.config.providers)
            )
        self.tell(events.Started(nodes, images, holds, heard or Heard()))

    def tell(self, event: events.Event) -> None:
        seen_call = False
        for command in self.pool.handle(event, self.now):
            match command:
                case commands.SaveNode(node, before):
                    assert not seen_call, "a row came after a call"
                    known = self.rows.get(node.id)
                    assert (known.state if known else None) is before
                    self.rows[node.id] = node
                case commands.RemoveNode(node_id):
                    del self.rows[node_id]
                case commands.SaveImage() | commands.RemoveImage():
                    assert not seen_call, "a row came after a call"
                case commands.RemoveRequest(request):
                    assert not seen_call, "a row came after a call"
                    self.answered.append(request)
                case commands.SaveHeard(heard):
                    assert not seen_call, "a row came after a call"
                    self.heard.append(heard)
                case _:
                    seen_call = True
                    self.calls.append(command)
        assert self.rows == self.pool.nodes

    def wait(self, seconds: float) -> None:
        """Time passes, timers go off."""
        end = self.now + seconds
        while (due := self.pool.next_at) is not None and due <= end:
            self.now = max(self.now, due)
            self.tell(events.TimeCame())
        self.now = end

    def take(self, kind: type[C]) -> list[C]:
        """The calls of this kind, which are then done with."""
        found = [call for call in self.calls if isinstance(call, kind)]
        self.calls = [call for call in self.calls if not isinstance(call, kind)]
        return found

    def take_one(self, kind: type[C]) -> C:
        (found,) = self.take(kind)
        return found

    @property
    def node(self) -> Node:
        (found,) = self.rows.values()
        return found

    def states(self) -> list[str]:
        return [node.state.word for node in self.rows.values()]

    def person(self, node_id: int, state: NodeState, comment: str | None = None) -> None:
        """Somebody writes the row, and the daemon finds it."""
        self.rows[node_id] = self.rows[node_id].with_state(state, self.now)
        self.tell(events.RowChanged(node_id, state, comment))

    # -- steps -------------------------------------------------------------------------------------

    def create(self) -> list[MachineKey]:
        """Every create call that is out gets its server."""
        keys = []
        for call in self.take(commands.CreateServer):
            server_id = f"s-{call.key.kind}-{call.key.id}-{call.key.index}"
            self.servers[server_id] = Server(
                server_id, "BUILD", owner=call.owner, public_v4="192.0.2.1", private_v4="10.0.0.1"
            )
            self.tell(events.ServerCreated(call.key, server_id))
            keys.append(call.key)
        return keys

    def stray(self, server_id: str, key: MachineKey = KEY, mark: str | None = "ours") -> Server:
        """A server that the site was never told of; `mark` and key: what the cloud has noted."""
        server = Server(server_id, "ACTIVE", owner=Owner("p", key, mark))
        self.servers[server_id] = server
        return server

    def list(self, provider: str = "p", status: str | None = "ACTIVE", **changes: object) -> None:
        if status:
            changes["status"] = status
        found = tuple(
            replace(each, **changes) if each.owner else each  # type: ignore[arg-type]
            for each in self.servers.values()
        )
        self.now += 1
        self.tell(events.ServersListed(provider, found, self.now))

    def connect(self) -> None:
        for call in self.take(commands.Connect):
            self.tell(events.Connected(call.key, HOST_KEYS))

    def prepare(self) -> None:
        for call in self.take(commands.PrepareNode):
            self.tell(events.Prepared("node", call.node.id))

    def register(self) -> None:
        for call in self.take(commands.RegisterNode):
            self.tell(events.Registered(call.node.id))

    def launch(self) -> None:
        """All that is being launched gets ready."""
        self.create()
        self.list()
        self.connect()
        self.prepare()
        self.register()

    def delete(self) -> None:
        """All that is to be deleted goes."""
        for call in self.take(commands.DeleteServer):
            self.servers.pop(call.server_id, None)
            if call.floating_ip:
                self.tell(events.AddressGone(call.provider, call.floating_ip))
        self.list()
        for confirm in self.take(commands.ConfirmGone):
            self.tell(events.ServerGone(confirm.provider, confirm.server_id))
        for call in self.take(commands.UnregisterNode):
            self.tell(events.Unregistered(call.node_id))

    def start_build(self, node: Node, job: str = "job", *, offline_wanted: bool = True) -> None:
        self.tell(BuildStarted(node.nodename, job, offline_wanted=offline_wanted))

    def finish_build(self, node: Node, job: str = "job", status: str | None = "SUCCESS") -> None:
        self.tell(BuildFinalized(node.nodename, job, status, "master", offline_wanted=True))


def ready(text: str = CONFIG, holds: dict[str, int] | None = None) -> Site:
    """The site whose one node is ready; `holds` as Started has them."""
    site = Site(text, holds=holds)
    site.launch()
    assert site.states() == ["ready"]
    return site


def provider_with(line: str) -> str:
    """CONFIG with one more line for its provider."""
    return CONFIG.replace("max-servers: 10", f"max-servers: 10\n    {line}")


def failed(site: Site) -> str:
    """The statistics' key of the first node's launch, which failed."""
    (key,) = [each for each in site.observer.counts if each.startswith("launch_ended")]
    assert site.rows[1].state is NodeState.DELETE
    return key.split(" ")[1]


__all__ = [
    "CONFIG",
    "GEARMAN",
    "HOST_KEYS",
    "KEY",
    "CloudImage",
    "Owner",
    "Site",
    "failed",
    "provider_with",
    "ready",
    "ready_image",
]
