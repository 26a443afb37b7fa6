"""A day of a big site in made-up time: who waits for a node, and why.

720 jobs an hour, three times that for a quarter of every third hour; 328 nodes of six providers;
five labels, three Jenkins masters; servers take 5 to 40 s to boot and half a minute more to be
prepared and registered. Nothing goes wrong: what it costs when it does is the simulation's matter
(tests/property/nodepool_world.py).

A job waits if no node of its label is idle when it comes. `waited_though_quota_was_free` counts
those of them whose providers had room at that moment, by max-servers, for a node that nobody had
launched. `--spare` is what the cloud accounts take beyond max-servers: with 1 (the server that
builds an image) the account's own count binds as well, and the daemon learns a few seconds late
that it went down.

`python -m tests.bench.bench_nodepool_day [--hours N] [--seed N] [--spare N]` prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any

from nodepool.config import parse_config
from nodepool.core import events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.pool import Pool
from nodepool.model import Node, NodeState, SnapshotImage
from tests.property.nodepool_cloud import NONE, Build, Cloud, Computer, Jenkins
from tests.property.nodepool_world import Numbers, World
from tests.support.fake_pool_observer import CountingObserver

QUOTAS = {"rax-dfw": 80, "rax-iad": 80, "rax-ord": 60, "hp-a": 48, "hp-b": 40, "hp-c": 20}
#: min-ready, and the share of jobs that ask for it
LABELS = {
    "precise": (50, 0.5),
    "trusty": (30, 0.3),
    "centos": (12, 0.1),
    "fedora": (8, 0.05),
    "bare": (8, 0.05),
}
JOBS_AN_HOUR, BURST = 720, 3
#: seconds
BURST_EVERY, BURST_LENGTH = 10_800, 900
BUILD_SECONDS = (120, 1200)


def configuration() -> str:
    """nodepool.yaml of the site."""
    providers = [
        {
            "name": name,
            "max-servers": quota,
            "images": [{"name": "image", "min-ram": 8192, "base-image": "base"}],
        }
        for name, quota in QUOTAS.items()
    ]
    labels = [
        {
            "name": name,
            "image": "image",
            "min-ready": ready,
            "providers": [{"name": provider} for provider in QUOTAS],
        }
        for name, (ready, _) in LABELS.items()
    ]
    targets = [
        {"name": f"jenkins{n}", "jenkins": {"url": f"http://j{n}", "user": "u", "apikey": "k"}}
        for n in range(3)
    ]
    # JSON is YAML.
    return json.dumps(
        {
            "labels": labels,
            "providers": providers,
            "targets": targets,
            "gearman-servers": [{"host": "gearman"}],
        }
    )


@dataclass(frozen=True)
class Waiter:
    """A job without a node."""

    since: float
    quota_was_free: bool


class Day(World):
    """The simulation's world without accidents, with a site's load."""

    def __init__(self, seed: int, spare: int) -> None:
        self.chance = random.Random(seed)
        self.faults = NONE
        self.now = 0.0
        self.sequence = self.life = self.crashes = self.finished = 0
        self.agenda = []
        self.nodes: dict[int, Node] = {}
        self.images: dict[int, SnapshotImage] = {}
        self.numbers = Numbers()
        self.with_gearman = True
        self.accidents = False
        self.config = parse_config(configuration(), "day")
        self.clouds = {
            name: Cloud(name, quota + spare, self.chance, self.faults)
            for name, quota in QUOTAS.items()
        }
        self.jenkins = {name: Jenkins() for name in self.config.targets}
        self.jobs = dict.fromkeys(self.config.labels, 0)
        self.observer = CountingObserver()
        self.waiters: dict[str, deque[Waiter]] = {name: deque() for name in LABELS}
        #: names of idle nodes, by label
        self.idle: dict[str, deque[tuple[str, str]]] = {name: deque() for name in LABELS}
        self.waits: list[Waiter] = []
        self.seconds: list[float] = []
        self.arrived = self.most_servers = 0
        self.start_daemon()
        self.every(5, self.list_watched)
        self.every(60, self.list_all)
        self.every(10, self.read_demand)
        self.every(60, self.survey)
        self.every(60, lambda: self.tell(events.CronCame("cleanup")))
        self.every(30, self.read_limits)

    def start_daemon(self) -> None:
        self.dead = False
        self.pool = Pool(self.config, "ours", self.numbers, self.observer)
        self.tell(events.Started())

    def expect_sound(self) -> None:
        """The simulation's matter; only the quota is looked at."""
        self.most_servers = max(
            self.most_servers, sum(len(c.servers) for c in self.clouds.values())
        )

    # -- load ----------------------------------------------------------------------------------

    def begin_load(self) -> None:
        self.later(self._gap(), self._arrive, mortal=False)

    def _gap(self) -> float:
        burst = self.now % BURST_EVERY > BURST_EVERY - BURST_LENGTH
        return self.chance.expovariate(JOBS_AN_HOUR * (BURST if burst else 1) / 3600)

    def _arrive(self) -> None:
        self.begin_load()
        names, shares = zip(*((name, share) for name, (_, share) in LABELS.items()), strict=True)
        label = self.chance.choices(names, shares)[0]
        self.arrived += 1
        if not self._start_on_idle(label):
            self.waiters[label].append(Waiter(self.now, self._quota_is_free(label)))
        self.jobs[label] = len(self.waiters[label])

    def _quota_is_free(self, label: str) -> bool:
        """Room that no launch has taken; the daemon has seen all that happened so far."""
        used = self.pool._state.census.room
        return any(
            used[name] < self.config.providers[name].max_servers
            for name in self.config.labels[label].providers
        )

    def _start_on_idle(self, label: str) -> bool:
        waiting = self.idle[label]
        while waiting:
            target, name = waiting.popleft()
            computer = self.jenkins[target].computers.get(name)
            if computer is not None and computer.job is None and not computer.offline:
                self.start_job(target, name, computer)
                return True
        return False

    def register(self, node: Node, label: str | None) -> None:
        super().register(node, label)
        if label is not None:
            self.idle[label].append((node.target, node.nodename))
            if self.waiters[label] and self._start_on_idle(label):
                waiter = self.waiters[label].popleft()
                self.waits.append(waiter)
                self.seconds.append(self.now - waiter.since)
                self.jobs[label] = len(self.waiters[label])

    def start_job(self, target: str, name: str, computer: Computer) -> None:
        jenkins = self.jenkins[target]
        assert not jenkins.builds_on(name), f"{name} serves two builds"
        jenkins.builds.append(Build(name, "job", len(jenkins.builds) + 1, self.now, True))
        computer.job = "job"
        self.answer(BuildStarted(name, "job", offline_wanted=True), 0.001, 0.1)
        self.later(
            self.chance.uniform(*BUILD_SECONDS), partial(self._finish, name, computer), mortal=False
        )

    def _finish(self, name: str, computer: Computer) -> None:
        computer.job, computer.offline = None, True
        self.finished += 1
        self.answer(BuildFinalized(name, "job", "SUCCESS", offline_wanted=True), 0.001, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spare", type=int, default=10)
    options = parser.parse_args()
    began = time.process_time()
    day = Day(options.seed, options.spare)
    day.run(1800)  # images and the first nodes
    ready = sum(node.state is NodeState.READY for node in day.nodes.values())
    day.begin_load()
    day.run(options.hours * 3600)
    print(json.dumps(result(day, ready, time.process_time() - began), indent=1))


def result(day: Day, ready: int, cpu_seconds: float) -> dict[str, Any]:
    waiting = [waiter for each in day.waiters.values() for waiter in each]
    waited = [*day.waits, *waiting]
    seconds = sorted(day.seconds)
    return {
        "nodes": sum(QUOTAS.values()),
        "ready_before_the_load": ready,
        "jobs": day.arrived,
        "builds_finished": day.finished,
        "most_servers": day.most_servers,
        "waited_share": round(len(waited) / day.arrived, 4),
        "waited_though_quota_was_free": sum(waiter.quota_was_free for waiter in waited),
        "wait_p50_seconds": round(seconds[len(seconds) // 2], 1) if seconds else 0,
        "wait_max_seconds": round(seconds[-1], 1) if seconds else 0,
        "still_waiting": len(waiting),
        "cpu_seconds": round(cpu_seconds, 1),
    }


if __name__ == "__main__":
    main()
