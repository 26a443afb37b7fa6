"""The world's edges: what becomes of each call, and what happens without being asked for; of
builds, that is in nodepool_builds.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from nodepool.core import commands, events
from nodepool.core.events import Event, Step
from nodepool.model import CloudImage, Fault, MachineKey, Node, NodeState, Owner
from tests.property.nodepool_builds import Builds
from tests.property.nodepool_cloud import HOLD_AGES, Cloud, Computer


def keys_of(key: MachineKey) -> tuple[str, ...]:
    return (f"ssh-ed25519 {key.kind}/{key.id}/{key.index}",)


class Edges(Builds):
    """Part of the world."""

    requests: dict[int, Event]

    # -- calls ---------------------------------------------------------------------------------

    def do(self, call: commands.Call) -> None:
        match call:
            case commands.CreateServer():
                self.create(call)
            case commands.DeleteServer():
                self.later(self.chance.uniform(0.1, 3), lambda: self.delete(call))
            case commands.AttachAddress():
                self.later(self.chance.uniform(0.1, 5), lambda: self.attach(call))
            case commands.DeleteAddress():
                self.later(self.chance.uniform(0.1, 3), lambda: self.delete_address(call))
            case commands.ConfirmGone(provider, server_id):
                if not self.lucky(self.faults.lose):
                    there = self.clouds[provider].has(server_id, self.now)
                    kind = events.ServerSeen if there else events.ServerGone
                    self.answer(kind(provider, server_id))
            case commands.ReadLimits(provider):
                self.read_limits_of(provider)
            case commands.Connect(key):
                up = events.Connected(key, keys_of(key))
                self.step(up, key, Step.CONNECT, self.faults.ssh, "error.ssh")
            case commands.PrepareNode(node):
                for index, machine in enumerate(node.machines):
                    assert machine.host_keys == keys_of(MachineKey("node", node.id, index))
                key = MachineKey("node", node.id)
                self.step(events.Prepared("node", node.id), key, Step.PREPARE, self.faults.script)
            case commands.PrepareImage(image):
                key = MachineKey("image", image.id)
                self.step(events.Prepared("image", image.id), key, Step.PREPARE, self.faults.script)
            case commands.ProbeNode(node_id):
                assert call.host_keys == keys_of(MachineKey("node", node_id))
                self.answer(events.NodeProbed(node_id, not self.lucky(self.faults.ssh)))
            case commands.RegisterNode(node, label):
                high = 200.0 if self.lucky(self.faults.slow_jenkins) else 3.0
                self.later(self.chance.uniform(0.1, high), lambda: self.register(node, label))
            case commands.UnregisterNode(node_id, target, nodename):
                self.later(
                    self.chance.uniform(0.1, 3),
                    lambda: self.unregister(node_id, target, nodename),
                )
            case commands.StartTestJob(node, job):
                self.answer(events.TestJobStarted(node.id))
                self.begin_test(node.target, node.nodename, job)
            case commands.SetNodeOffline():
                self.later(self.chance.uniform(0.1, 3), lambda: self.set_offline(call))
            case commands.ReadBuilds():
                high = 10.0 if self.lucky(0.2) else 2.0
                self.later(self.chance.uniform(0.1, high), lambda: self.list_builds(call))
            case commands.RelabelNode(node):
                computer = self.jenkins[node.target].computers.get(node.nodename)
                if computer is not None:
                    computer.label = node.label
                key = MachineKey("node", node.id)
                self.step(events.Relabeled(node.id), key, Step.TEST, self.faults.jenkins)
            case commands.TakeSnapshot():
                self.snapshot(call)
            case commands.DeleteImage(image_id, provider, external_id):
                self.clouds[provider].images.pop(external_id, None)
                self.answer(events.ImageGone(image_id))
            case commands.DeleteKeypair(image_id, provider, name):
                self.clouds[provider].keypairs.discard(name)
                self.answer(events.KeypairGone(image_id))
            case _:
                raise AssertionError(f"nobody does {call}")

    def step(
        self, event: Event, key: MachineKey, step: Step, chance: float, stat: str = "error.unknown"
    ) -> None:
        if self.lucky(chance):
            event = events.StepFailed(key, step, stat, "as the seed would have it")
        self.answer(event, 1, 20)

    def create(self, call: commands.CreateServer) -> None:
        rows = self.nodes if call.key.kind == "node" else self.images
        assert call.key.id in rows, "a create call went out before its row"
        cloud, asked_at = self.clouds[call.provider], self.now
        if call.keypair:
            cloud.keypairs.add(call.keypair)
        if self.lucky(self.faults.refuse):
            self.answer(events.CreateFailed(call.key, Fault.REFUSED, "403"))
            return
        if self.lucky(self.faults.lose):
            if self.chance.random() < 0.6:  # it is done all the same, some day
                delay = self.chance.choice((0.1, 30, 200, 600))
                late = partial(self.make_late, cloud, call.owner, asked_at)
                self.later(delay, late, mortal=False)
            if self.chance.random() < 0.5:
                self.answer(events.CreateFailed(call.key, Fault.UNKNOWN, "no answer"), 1, 60)
            return

        def made() -> None:
            server = cloud.make(call.owner, self.now, asked_at)
            if self.life != born:
                return  # who asked is dead
            if server is None:
                self.answer(events.CreateFailed(call.key, Fault.QUOTA, "over quota"), 0, 1)
            else:
                self.answer(events.ServerCreated(call.key, server.id), 0, 1)

        born = self.life
        self.later(self.chance.uniform(0.1, 2), made, mortal=False)

    def make_late(self, cloud: Cloud, owner: Owner, asked_at: float) -> None:
        cloud.make(owner, self.now, asked_at)

    def attach(self, call: commands.AttachAddress) -> None:
        cloud = self.clouds[call.provider]
        if not cloud.has(call.server_id, self.now) or self.lucky(self.faults.refuse):
            self.answer(events.StepFailed(call.key, Step.ADDRESS, "error.ipadd", "no"))
            return
        address = cloud.attach(call.server_id, call.owner)
        if not self.lucky(self.faults.lose):
            self.answer(events.AddressAttached(call.key, address.id, "198.51.100.1"))

    def delete(self, call: commands.DeleteServer) -> None:
        provider, server_id = call.provider, call.server_id
        if self.lucky(self.faults.lose):
            return
        addresses = self.clouds[provider].addresses
        looked = [
            each.id
            for each in addresses.values()
            if each.server_id == server_id
            and (each.id == call.floating_ip or call.floating_ip is None)
            and (call.has_unknown or call.floating_ip or self.config.providers[provider].pool)
        ]
        if not self.lucky(self.faults.no_neutron):
            for number in looked:
                del addresses[number]
                self.answer(events.AddressGone(provider, number))
        done = self.clouds[provider].delete(server_id, self.now)
        if done is None:
            fault = events.DeleteFailed(provider, server_id, Fault.REFUSED, "409")
            self.answer(fault)
        elif not done:
            self.answer(events.ServerGone(provider, server_id))

    def delete_address(self, call: commands.DeleteAddress) -> None:
        if self.lucky(self.faults.no_neutron):
            return
        address = self.clouds[call.provider].addresses.get(call.floating_ip)
        if address is not None and address.server_id is None:
            assert address.owner is not None
            assert address.owner.nodepool_id == "ours"
            del self.clouds[call.provider].addresses[call.floating_ip]
        self.answer(events.AddressGone(call.provider, call.floating_ip))

    def register(self, node: Node, label: str | None) -> None:
        jenkins = self.jenkins[node.target]
        key = MachineKey("node", node.id)
        refuses = self.now < max(jenkins.down_until, jenkins.refuses_until)
        fails = refuses or self.lucky(self.faults.jenkins)
        if not fails or self.chance.random() < 0.5:
            server_id = node.machines[0].server_id
            assert server_id is not None
            jenkins.computers[node.nodename] = Computer(label, server_id, node.provider)
        if fails:
            self.answer(events.StepFailed(key, Step.REGISTER, "error.unknown", "500"))
        else:
            self.answer(events.Registered(node.id))

    def unregister(self, node_id: int, target: str, nodename: str) -> None:
        jenkins = self.jenkins[target]
        if self.now < jenkins.down_until or self.lucky(self.faults.jenkins):
            self.answer(events.UnregisterFailed(node_id, "500"))
            return
        jenkins.computers.pop(nodename, None)
        self.answer(events.Unregistered(node_id))

    def snapshot(self, call: commands.TakeSnapshot) -> None:
        cloud = self.clouds[call.provider]
        cloud.made += 1
        number = f"image-{cloud.made}"
        cloud.images[number] = CloudImage(number, "SAVING", call.owner)

        def save() -> None:
            if number in cloud.images:
                fate = "ERROR" if self.lucky(self.faults.error) else "ACTIVE"
                cloud.images[number] = replace(cloud.images[number], status=fate)

        self.later(self.chance.uniform(10, 60), save, mortal=False)
        if not self.lucky(self.faults.lose):
            self.answer(events.SnapshotTaken(call.image_id, number))

    # -- what happens by itself ----------------------------------------------------------------

    def list_watched(self) -> None:
        if self.alive():
            for name in sorted(self.pool.providers_to_watch()):
                self.list_servers(name)
            for name in sorted(self.pool.images_to_watch()):
                found = tuple(self.clouds[name].images.values())
                self.answer(events.ImagesListed(name, found, self.now))

    def list_all(self) -> None:
        if self.alive():
            for name, cloud in self.clouds.items():
                self.list_servers(name)
                addresses = tuple(cloud.addresses.values())
                self.tell(events.AddressesListed(name, addresses, self.now))

    def list_servers(self, name: str) -> None:
        if not self.lucky(self.faults.list_fails):
            found = self.clouds[name].listing(self.now)
            if self.lucky(self.faults.list_lacks):
                lacked = self.chance.choice(found)
                found = tuple(each for each in found if each is not lacked)
            high = 30.0 if self.lucky(0.1) else 2.0
            self.answer(events.ServersListed(name, found, self.now), 0.1, high)

    def read_limits(self) -> None:
        if self.alive():
            for name in self.clouds:
                self.read_limits_of(name)

    def read_limits_of(self, name: str) -> None:
        cloud = self.clouds[name]
        cloud.tick(self.now)
        self.answer(events.LimitsRead(name, cloud.quota - len(cloud.servers), self.now))

    def meddle(self) -> None:
        """People, weather, and the file."""
        for cloud in self.clouds.values():
            for server in cloud.ours(self.now):
                if self.lucky(self.faults.vanish):
                    server.gone_at = self.now
        for jenkins in self.jenkins.values():
            if self.lucky(self.faults.jenkins / 10):
                jenkins.down_until = self.now + self.chance.uniform(60, 1200)
            elif self.lucky(self.faults.jenkins / 10):
                jenkins.refuses_until = self.now + self.chance.uniform(60, 1200)
        if not self.alive() or not self.accidents:
            return
        if self.nodes and self.lucky(0.06):
            adding = [node for node in self.nodes.values() if node.state is NodeState.BUILDING]
            some = adding if adding and self.chance.random() < 0.5 else list(self.nodes.values())
            node = self.chance.choice(some)
            wanted = self.chance.choice((NodeState.HOLD, NodeState.DELETE))
            if node.state is not NodeState.DELETE:
                self.meddle_with(node, wanted)
        if self.lucky(0.01):
            providers = {
                name: replace(each, max_servers=self.chance.randint(-1, 8 if name == "p" else 6))
                for name, each in self.config.providers.items()
            }
            age = self.chance.choice(HOLD_AGES)
            self.config = replace(self.config, providers=providers, max_hold_age=age)
            self.tell(events.ConfigLoaded(self.config))

        if self.lucky(self.faults.wish):
            number = max(self.requests, default=0) + 1
            image = self.chance.choice([0, *self.images])
            self.requests[number] = (
                events.ImageDeletionRequested(image, number)
                if self.chance.random() < 0.3
                else events.ImageRequested(self.chance.choice(list(self.clouds)), "i", number)
            )

    def tell_requests(self) -> None:
        for request in list(self.requests.values()):
            self.tell(request)

    def meddle_with(self, node: Node, state: NodeState) -> None:
        """A person writes the row, and the daemon hears of it."""
        self.nodes[node.id] = node.with_state(state, self.now)
        self.tell(events.RowChanged(node.id, state, "by hand"))
