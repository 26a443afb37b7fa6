"""Nodepool's core in a world of clouds, Jenkins and accidents, all by seed.

`python -m tests.property.nodepool_world --seed 7 --seconds 4000` replays one world. Time is made
up, so is every answer. The daemon is killed at any point: between the rows and the calls, between
the calls, between a call and its answer.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

from nodepool.config import parse_config
from nodepool.config.values import NodepoolConfig
from nodepool.core import commands, events, unheard
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.census import take_census
from nodepool.core.events import Event
from nodepool.core.pauses import Place
from nodepool.core.pool import Pool
from nodepool.model import Heard, MachineKey, Node, NodeState, Owner, Presence, SnapshotImage
from tests.property.nodepool_cloud import (
    AWAY,
    DEAF,
    HOLD_AGES,
    MARGIN,
    NONE,
    Build,
    Cloud,
    Faults,
    Jenkins,
    Numbers,
)
from tests.property.nodepool_edges import Edges
from tests.support.fake_pool_observer import CountingObserver

CONFIG = """\
zmq-publishers: ['tcp://publisher:1']
labels:
  - {name: one, image: i, min-ready: 2, ready-script: r.sh, providers: [{name: p}, {name: q}]}
  - {name: two, image: i, min-ready: 1, providers: [{name: q}]}
  - {name: pair, image: i, min-ready: 0, subnodes: 1, providers: [{name: p}, {name: q}]}
providers:
  - {name: p, max-servers: 8, launch-timeout: 120, images: [{name: i, min-ram: 1, base-image: b}]}
  - {name: q, max-servers: 6, launch-timeout: 120, pool: ext, images: [
      {name: i, min-ram: 1, base-image: b}]}
targets:
  - {name: t, jenkins: {url: 'http://t', user: u, apikey: k}}
  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k, test-job: tt}}
"""
GEARMAN = "gearman-servers: [{host: g}]\n"


class World(Edges):
    """Holds the ledger, the clock and the daemon."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.chance = random.Random(seed)
        self.faults = faults or Faults()
        self.now = 1000.0
        self.sequence = 0
        self.agenda: list[tuple[float, int, int | None, Callable[[], None]]] = []
        #: answers to a daemon that died reach nobody
        self.life = 0
        self.nodes: dict[int, Node] = {}
        self.images: dict[int, SnapshotImage] = {}
        self.requests: dict[int, Event] = {}
        self.heard = Heard()
        self.numbers = Numbers()
        self.with_gearman = self.chance.random() < 0.7
        self.config: NodepoolConfig = parse_config(
            CONFIG + (GEARMAN if self.with_gearman else ""), "world"
        )
        age = random.Random(f"holds-{seed}").choice(HOLD_AGES)
        self.config = replace(self.config, max_hold_age=age)
        self.clouds = {
            name: Cloud(name, quota, self.chance, self.faults)
            for name, quota in (("p", 10), ("q", 9))
        }
        for name, cloud in self.clouds.items():
            cloud.add_foreign(None)
            cloud.add_foreign(Owner(name, MachineKey("node", 1), "theirs"))
            cloud.add_foreign(Owner(name, MachineKey("node", 2), None))
        self.jenkins = {
            name: Jenkins(ahead=self.chance.uniform(-100, 100)) for name in self.config.targets
        }
        if self.faults.lull:
            self.lull = self.faults.lull * self.chance.choice((1, 2))
            labels = {n: replace(label, min_ready=4) for n, label in self.config.labels.items()}
            self.config = replace(self.config, labels=labels)
        self.jobs: dict[str, int] = dict.fromkeys(self.config.labels, 0)
        #: what a bridge keeps; some worlds have one
        self.history: list[tuple[Build, BuildStarted | BuildFinalized]] = []
        chance = 0.1 if self.faults.lull else 0.5
        self.with_history = random.Random(f"history-{seed}").random() < chance
        #: nodes, and what there was of them when they were counted last
        self.counted: dict[int, Node] = {}
        self.counts = take_census(())
        self.used = Counter[str]()
        self.observer = CountingObserver()
        self.crashes = self.finished = 0
        self.accidents = True
        self.start_daemon()
        self.every(5, self.list_watched)
        self.every(60, self.list_all)
        self.every(10, self.read_demand)
        self.every(10, self.survey)
        self.every(10, self.read_history)
        self.every(60, lambda: self.tell(events.CronCame("cleanup")))
        self.every(900, lambda: self.tell(events.CronCame("check")))
        self.every(30, self.read_limits)
        self.every(5, self.run_jobs)
        self.every(15, self.meddle)
        self.every(1, self.tell_requests)
        self.every(15, self.weather)
        self.every(30, self.tell_of_the_line)

    # -- the daemon ----------------------------------------------------------------------------

    def start_daemon(self) -> None:
        self.life += 1
        self.dead = False
        self.history_read = 0
        self.pool = Pool(self.config, "ours", self.numbers, self.observer)
        rows = (tuple(self.nodes.values()), tuple(self.images.values()))
        self.listen()
        self.tell(events.Started(*rows, {"job-held": 1}, self.heard))

    def tell(self, event: Event) -> None:
        if self.dead:
            return
        life = self.life
        for command in self.pool.handle(event, self.now):
            if self.life != life:
                return  # it died among its calls
            self.obey(command)
        self.expect_sound()

    def obey(self, command: commands.Command) -> None:
        match command:
            case commands.SaveNode(node, before):
                known = self.nodes.get(node.id)
                assert (known.state if known else None) == before, "the row has another state"
                self.nodes[node.id] = node
            case commands.RemoveNode(node_id):
                self.nodes.pop(node_id, None)
            case commands.SaveImage(image):
                self.images[image.id] = image
            case commands.RemoveImage(image_id):
                self.images.pop(image_id, None)
            case commands.RemoveRequest(request):
                self.requests.pop(request, None)
            case commands.SaveHeard(heard):
                self.heard = heard
            case _:
                if self.accidents and self.chance.random() < self.faults.crash:
                    self.crash()
                else:
                    self.do(command)

    def crash(self) -> None:
        self.crashes += 1
        self.life += 1
        self.dead = True
        high = 60 if self.chance.random() < 1 - self.faults.away else 900
        self.later(self.chance.uniform(1, high), self.start_daemon, mortal=False)

    # -- time ----------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None], *, mortal: bool = True) -> None:
        """`mortal`: it is the daemon's, and dies with it."""
        self.sequence += 1
        life = self.life if mortal else None
        heapq.heappush(self.agenda, (self.now + seconds, self.sequence, life, act))

    def every(self, seconds: float, act: Callable[[], None]) -> None:
        def again() -> None:
            act()
            self.later(seconds, again, mortal=False)

        self.later(self.chance.uniform(0, seconds), again, mortal=False)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            due = None if self.dead else self.pool.next_at
            at, _, life, act = self.agenda[0]
            if due is not None and due <= at:
                self.now = max(self.now, due)
                self.tell(events.TimeCame())
                continue
            heapq.heappop(self.agenda)
            self.now = at
            if life is None or life == self.life:
                act()

    # -- what must hold ------------------------------------------------------------------------

    def expect_sound(self) -> None:
        state = self.pool._state
        assert state.nodes == self.nodes, "the ledger is not what the core knows"
        assert state.images == self.images
        on_targets = {node.id: name for name in state.by_target for node in state.nodes_of(name)}
        assert on_targets == {node.id: node.target for node in self.nodes.values()}
        if self.counted != self.nodes:
            self.counted = dict(self.nodes)
            self.counts = take_census(self.nodes.values())
            self.used = Counter[str]()
            for node in self.nodes.values():
                self.used[node.provider] += node.room
        assert state.census == self.counts, "the census is wrong"
        for name, cloud in self.clouds.items():
            most = max(self.config.providers[name].max_servers, self.highest[name])
            assert self.used[name] <= most
            assert len(cloud.servers) <= cloud.quota
            for server in cloud.ours(self.now):
                assert server.owner is not None
                rows = self.nodes if server.owner.key.kind == "node" else self.images
                assert server.belated or server.owner.key.id in rows, "a server without a row"
        self.expect_nobody_outstays()
        self.expect_nobody_waits()

    def expect_nobody_outstays(self) -> None:
        """No held node is older than the file lets it be."""
        most = self.config.max_hold_age
        if self.pool.next_at is None or self.pool.next_at > self.now:
            held = [node for node in self.nodes.values() if node.state is NodeState.HOLD]
            ages = [self.now - node.state_at for node in held]
            assert not most or all(age < most for age in ages), "a held node stays for too long"

    def expect_nobody_waits(self) -> None:
        """No label lacks a node that some provider has room for, and some target takes: where
        launches failed one goes alone."""
        from nodepool.core import planner

        state = self.pool._state
        if state.offline.keys() >= set(self.config.targets):
            return
        lacking = [name for name, each in planner._deficits(state).items() if each.work]
        room = planner._room(state, self.now) if lacking else {}
        for name in lacking:
            label = self.config.labels[name]
            for provider in label.providers:
                if room.get(provider, 0) < label.machines:
                    continue
                if state.current_image(provider, label.image) is None:
                    continue
                assert self.is_closed(name, provider), f"{name} waits, {provider} has room"

    def is_closed(self, label: str, provider: str) -> bool:
        """To launches of the label, whichever target they are for."""
        return self.is_shut(Place(label, provider=provider)) or all(
            self.is_shut(Place(target=target)) or self.is_shut(Place(label, target=target))
            for target in self.config.targets
            if target not in self.pool._state.offline
        )

    def is_shut(self, place: Place) -> bool:
        """A launch there just failed, or one goes alone."""
        state = self.pool._state
        pause = state.pauses.get(place)
        return (
            pause is not None
            and pause.stalls > 0
            and (self.now < pause.stalled_until or pause.trial in state.launches)
        )

    def drain(self) -> None:
        """No accidents and no work any more: all has to go."""
        self.accidents = False
        for cloud in self.clouds.values():
            cloud.faults = self.faults = NONE
            for server in cloud.servers.values():
                server.deletable_at = 0.0
        for jenkins in self.jenkins.values():
            jenkins.down_until = jenkins.refuses_until = 0.0
        self.jobs = dict.fromkeys(self.jobs, 0)
        self.run(2000)
        labels = {n: replace(label, min_ready=0) for n, label in self.config.labels.items()}
        self.config = replace(self.config, labels=labels)
        self.tell(events.ConfigLoaded(self.config))
        for _ in range(3):
            self.run(1500)
            for node in list(self.nodes.values()):
                if node.state in (NodeState.READY, NodeState.HOLD):
                    self.meddle_with(node, NodeState.DELETE)
        self.run(4000)
        assert not self.requests
        assert not self.nodes, f"rows are left: {list(self.nodes.values())[:3]}"
        for cloud in self.clouds.values():
            left = [each for each in cloud.listing(self.now) if each.owner is not None]
            assert len(left) == 2, f"servers are left: {left}"
            assert len(cloud.servers) == 3
            assert not cloud.keypairs
            assert not cloud.addresses, f"addresses are left: {cloud.addresses}"
            rows = {i.external_id for i in self.images.values() if i.provider == cloud.name}
            assert set(cloud.images) == rows, "images are left"
        for image in self.images.values():
            assert (image.state, image.machine.presence) == (NodeState.READY, Presence.GONE)
        for jenkins in self.jenkins.values():
            assert not jenkins.computers, f"computers are left: {list(jenkins.computers)}"


def run_world(
    seed: int, seconds: float, faults: Faults | None = None, *, drain: bool = True
) -> World:
    margin = MARGIN if faults is AWAY else unheard.MARGIN
    world = World(seed, faults)
    try:
        with patch.object(unheard, "MARGIN", margin):
            world.run(seconds)
            if drain:
                world.drain()
    except AssertionError as error:
        replay = f"python -m tests.property.nodepool_world --seed {seed} --seconds {seconds:g}"
        replay += " --deaf" if faults is DEAF else " --away" if faults is AWAY else ""
        raise AssertionError(f"{error}\n  at {world.now:.1f}; replay: {replay}") from error
    return world


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4000)
    parser.add_argument("--deaf", action="store_true", help="clouds do well, little is heard")
    parser.add_argument("--away", action="store_true", help="and nodepoold is often not there")
    options = parser.parse_args(arguments)
    for seed in range(options.seed, options.seed + options.worlds):
        faults = AWAY if options.away else DEAF if options.deaf else None
        world = run_world(seed, options.seconds, faults)
        told = dict(sorted(world.observer.counts.items()))
        builds = f"{world.finished} builds ({world.seconds} second ones)"
        print(f"seed {seed}: {builds}, {world.crashes} crashes, {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())


__all__ = ["BuildFinalized", "BuildStarted", "World", "run_world"]
