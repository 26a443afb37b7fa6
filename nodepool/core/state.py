"""State: all that the core knows. Rows change here only, so that each change is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from nodepool.config.values import (
    LabelConfig,
    NodepoolConfig,
    ProviderConfig,
    ProviderImage,
    TargetConfig,
)
from nodepool.core.allocation import History
from nodepool.core.census import Census
from nodepool.core.commands import (
    Call,
    Command,
    DeleteAddress,
    DeleteImage,
    DeleteKeypair,
    DeleteServer,
    RemoveImage,
    RemoveNode,
    RemoveRequest,
    RevokeNode,
    Row,
    SaveHeard,
    SaveImage,
    SaveNode,
    UnregisterNode,
)
from nodepool.core.demand import Demand
from nodepool.core.health import Health
from nodepool.core.memory import Boot, Known, Launch, Outage, Unheard
from nodepool.core.pauses import Pause, Place
from nodepool.core.ports import EVERYTHING, Numbers, Observer, Switches
from nodepool.core.steps import Step
from nodepool.core.timers import Timers
from nodepool.model import (
    Heard,
    Machine,
    MachineKey,
    Node,
    NodeState,
    Owner,
    Presence,
    SnapshotImage,
)

#: what takes something away
DELETIONS = (
    DeleteServer,
    DeleteAddress,
    DeleteImage,
    DeleteKeypair,
    UnregisterNode,
    RevokeNode,
)


@dataclass(slots=True)
class State:
    """Of one nodepool."""

    config: NodepoolConfig
    nodepool_id: str
    numbers: Numbers
    observer: Observer
    switches: Switches = EVERYTHING
    nodes: dict[int, Node] = field(default_factory=dict)
    images: dict[int, SnapshotImage] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)
    #: ids of nodes, in the order in which they came to be
    by_target: dict[str, dict[int, None]] = field(default_factory=dict)
    #: by provider and the cloud's id
    servers: dict[str, dict[str, Known]] = field(default_factory=dict)
    #: by provider and the cloud's id: floating IPs that have a row
    addresses: dict[tuple[str, str], MachineKey] = field(default_factory=dict)
    #: (provider, id) of servers proven gone, and when: an older list may still show them
    gone: dict[tuple[str, str], float] = field(default_factory=dict)
    #: creates of which nobody knows what came, and since when
    doubts: dict[MachineKey, float] = field(default_factory=dict)
    census: Census = field(default_factory=Census)
    demand: Demand = field(default_factory=Demand)
    work_history: History = field(default_factory=History)
    warm_history: History = field(default_factory=History)
    timers: Timers = field(default_factory=Timers)
    health: dict[str, Health] = field(default_factory=dict)
    #: of launches that fail for no fault of the cloud's (blame.py)
    pauses: dict[Place, Pause] = field(default_factory=dict)
    #: targets that take no nodes now
    offline: dict[str, Outage] = field(default_factory=dict)
    holds: Mapping[str, int] = field(default_factory=dict)
    boots: dict[MachineKey, Boot] = field(default_factory=dict)
    launches: dict[int, Launch] = field(default_factory=dict)
    #: image builds past SSH
    builds: dict[int, Step] = field(default_factory=dict)
    #: calls to targets that are not answered, by node
    registering: set[int] = field(default_factory=set)
    #: tries so far, of what is tried again
    tries: dict[object, int] = field(default_factory=dict)
    #: nodes that their target says it has set offline
    set_offline: set[int] = field(default_factory=set)
    #: nodes that a survey found idle although a build should run, and when
    seen_idle: dict[int, float] = field(default_factory=dict)
    #: by target
    unheard: dict[str, Unheard] = field(default_factory=dict)
    #: until when all was heard, or is in doubt, by publisher; and when that was saved
    heard: dict[str, float] = field(default_factory=dict)
    heard_saved_at: float = float("-inf")
    #: something changed that the planner, or the images' keeper, may act on
    replan: bool = False
    check_images: bool = False
    _rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    _calls: list[Call] = field(default_factory=list)

    # -- what goes out -----------------------------------------------------------------------------

    def call(self, command: Call) -> None:
        if self.switches.deletes or not isinstance(command, DELETIONS):
            self._calls.append(command)

    def take_commands(self) -> tuple[Command, ...]:
        """Rows first: they are on disk before any call goes out."""
        commands = (*self._rows.values(), *self._calls)
        self._rows.clear()
        self._calls.clear()
        return commands

    # -- rows --------------------------------------------------------------------------------------

    def adopt(self, nodes: Iterable[Node], images: Iterable[SnapshotImage], now: float) -> None:
        """Rows as they are in the database."""
        for node in nodes:
            self._put(None, node)
            for index, machine in enumerate(node.machines):
                self._index(node.provider, MachineKey("node", node.id, index), machine, now)
        for image in images:
            self.images[image.id] = image
            self._index(image.provider, MachineKey("image", image.id), image.machine, now)

    def save_node(self, node: Node) -> None:
        before = self.nodes.get(node.id)
        if before == node:
            return
        self._put(before, node)
        earlier = self._rows.get(("node", node.id))
        was = before.state if before else None
        if isinstance(earlier, SaveNode):
            was = earlier.before
        self._rows["node", node.id] = SaveNode(node, was)
        self.replan = True
        if before is None or before.state is not node.state:
            self.observer.node_changed(node, before.state if before else None)

    def _put(self, before: Node | None, node: Node) -> None:
        self.nodes[node.id] = node
        self.by_name[node.nodename] = node.id
        self.by_target.setdefault(node.target, {})[node.id] = None
        self.census.change(before, node)

    def nodes_of(self, target: str) -> list[Node]:
        """Whether or not it is in the configuration."""
        return [self.nodes[node_id] for node_id in self.by_target.get(target, ())]

    def remove_node(self, node: Node) -> None:
        del self.nodes[node.id]
        del self.by_target[node.target][node.id]
        if self.by_name.get(node.nodename) == node.id:
            del self.by_name[node.nodename]
        self.census.change(node, None)
        self._rows["node", node.id] = RemoveNode(node.id)
        self.replan = True

    def save_image(self, image: SnapshotImage) -> None:
        before = self.images.get(image.id)
        if before == image:
            return
        self.images[image.id] = image
        self._rows["image", image.id] = SaveImage(image)
        self.replan = self.check_images = True
        if before is None or before.state is not image.state:
            self.observer.image_changed(image, before.state if before else None)

    def remove_image(self, image: SnapshotImage) -> None:
        del self.images[image.id]
        self._rows["image", image.id] = RemoveImage(image.id)
        self.check_images = True

    def remove_request(self, request: int) -> None:
        """It is answered."""
        self._rows["request", request] = RemoveRequest(request)

    def save_heard(self, heard: Heard) -> None:
        self._rows["heard", 0] = SaveHeard(heard)

    def take_over(self, node: Node) -> None:
        """A person gave the row this state: it stands in the database already."""
        before = self.nodes[node.id]
        self.nodes[node.id] = node
        self.census.change(before, node)
        self._rows["node", node.id] = SaveNode(node, node.state)
        self.replan = True
        if before.state is not node.state:
            self.observer.node_changed(node, before.state)

    # -- machines ----------------------------------------------------------------------------------

    def find_machine(self, key: MachineKey) -> Machine | None:
        if key.kind == "image":
            image = self.images.get(key.id)
            return image.machine if image and key.index == 0 else None
        node = self.nodes.get(key.id)
        return node.machines[key.index] if node and 0 <= key.index < len(node.machines) else None

    def provider_of(self, key: MachineKey) -> str:
        return (self.images if key.kind == "image" else self.nodes)[key.id].provider

    def save_machine(self, key: MachineKey, machine: Machine, now: float) -> None:
        provider = self.provider_of(key)
        before = self.find_machine(key)
        if before and before.server_id and before.server_id != machine.server_id:
            self.servers.get(provider, {}).pop(before.server_id, None)
        if before and before.floating_ip and before.floating_ip != machine.floating_ip:
            self.addresses.pop((provider, before.floating_ip), None)
        if key.kind == "image":
            self.save_image(replace(self.images[key.id], machine=machine))
        else:
            self.save_node(self.nodes[key.id].with_machine(key.index, machine))
        self._index(provider, key, machine, now)

    def _index(self, provider: str, key: MachineKey, machine: Machine, now: float) -> None:
        if machine.floating_ip:
            self.addresses[provider, machine.floating_ip] = key
        known = self.servers.setdefault(provider, {})
        if machine.presence is Presence.EXISTS and machine.server_id:
            known.setdefault(machine.server_id, Known(key, now))
        elif machine.server_id:
            known.pop(machine.server_id, None)

    # -- configuration -----------------------------------------------------------------------------

    def find_provider(self, name: str) -> ProviderConfig | None:
        return self.config.providers.get(name)

    def find_label(self, name: str) -> LabelConfig | None:
        return self.config.labels.get(name)

    def find_target(self, name: str) -> TargetConfig | None:
        return self.config.targets.get(name)

    def find_recipe(self, provider: str, image: str) -> ProviderImage | None:
        found = self.config.providers.get(provider)
        return found.images.get(image) if found else None

    def recipe_of(self, node: Node) -> ProviderImage | None:
        """How its machines are used; None: the label, its image or the provider left the file."""
        label = self.find_label(node.label)
        return self.find_recipe(node.provider, label.image) if label else None

    def mark(self, provider: str) -> str:
        """The id that new servers there carry."""
        found = self.config.providers.get(provider)
        return found.nodepool_id if found and found.nodepool_id else self.nodepool_id

    def owner(self, provider: str, key: MachineKey) -> Owner:
        """With the id that its row says it was given: another may be configured by now."""
        machine = self.find_machine(key)
        given = machine.mark if machine and self.provider_of(key) == provider else None
        return Owner(provider, key, given or self.mark(provider))

    def health_of(self, provider: str) -> Health:
        return self.health.setdefault(provider, Health())

    def try_again(self, key: object) -> int:
        """Count a try; how many there were, with this one."""
        self.tries[key] = count = self.tries.get(key, 0) + 1
        return count

    def current_image(self, provider: str, image: str) -> SnapshotImage | None:
        """The newest that is ready; the last proven one while the newest fails again and again."""
        ready = [
            each
            for each in self.images.values()
            if each.provider == provider and each.image == image and each.state is NodeState.READY
        ]
        ready.sort(key=lambda each: each.version, reverse=True)
        if not ready:
            return None
        if ready[0].failures >= MAX_FAILURES:
            return next((each for each in ready if each.proven), ready[0])
        return ready[0]


#: launches in a row that may fail on an image that nobody proved yet
MAX_FAILURES = 3
