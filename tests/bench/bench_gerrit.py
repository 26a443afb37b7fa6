"""What an event costs in the Gerrit driver; prints JSON.

- patchsets: patch-set events a second through the driver, with a server that takes 100 ms a query.
- comments: comment events a CPU second that nobody wants: parsed, asked about, handed on.

The server runs as a process of its own, so that its work is not the driver's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.integration.gerrit_driver_world import World, wait_for
from tests.sandbox.endpoint import GerritEndpoint
from tests.sandbox.gerrit import SandboxGerrit
from zuul.drivers.gerrit.driver import Tuning
from zuul.drivers.gerrit.heard import HeardMemory
from zuul.drivers.gerrit.source import EventSource
from zuul.drivers.gerrit.stream import parse_event
from zuul.model.trigger import TriggerEvent

FIXTURE = Path(__file__).parents[1] / "fixtures/gerrit/stream-events-3.9.jsonl"
PROJECT = "org/demo"


class Nobody:
    """Wants no event."""

    def wants(self, event: TriggerEvent) -> bool:
        return False


def bench_comments(count: int) -> dict[str, float]:
    """The watcher thread's whole path for a comment that nobody wants."""
    line = next(x for x in FIXTURE.read_bytes().splitlines() if b'"comment-added"' in x)
    taken: list[object] = []
    source = EventSource("gerrit", "", None, taken.append, Nobody(), threading.Event())  # type: ignore[arg-type]
    memory = HeardMemory("gerrit")
    began = time.process_time()
    for _ in range(count):
        heard = parse_event(line, "gerrit", received_at=1.0)
        if memory.remember(heard):
            source.handle(heard)
    seconds = time.process_time() - began
    assert len(taken) == count
    return {"events": count, "cpu_seconds": seconds, "events_per_cpu_second": count / seconds}


class _Remote:
    """The endpoint of a server in another process."""

    def __init__(self, endpoint: GerritEndpoint) -> None:
        self.endpoint = endpoint

    def create_project(self, name: str) -> None:
        raise NotImplementedError


def serve(pipe: Connection, folder: str, changes: int, rounds: int, delay: float) -> None:
    """Make the changes, then send their events when told, at the pace told.

    Each event is sent several times: the sandbox's own cost of a query grows with its changes.
    """
    with SandboxGerrit(Path(folder)) as gerrit:
        gerrit.create_project(PROJECT)
        for number in range(changes):
            gerrit.upload(PROJECT, f"Change {number}")
        lines = [json.dumps(row) for row in gerrit.events_seen("patchset-created")] * rounds
        gerrit.faults.delays["query"] = delay
        pipe.send(gerrit.endpoint)
        rate = pipe.recv()
        cpu = time.process_time()
        began = time.monotonic()
        for number, line in enumerate(lines):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            gerrit.send_raw(line + "\n")
        pipe.recv()
        pipe.send(time.process_time() - cpu)


def bench_patchsets(changes: int, rounds: int, rate: float, delay: float) -> dict[str, Any]:
    """From a patch set's line on the stream to its looked-up change in the inbox."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.Process(
            target=serve, args=(theirs, f"{folder}/gerrit", changes, rounds, delay)
        )
        process.start()
        try:
            world = World(_Remote(ours.recv()), Path(folder))
            result = _measure(world, ours, changes * rounds, rate, delay)
            ours.send("end")
            return result | {"sandbox_cpu_seconds": ours.recv()}
        finally:
            process.join(10)
            process.kill()


def _measure(
    world: World, pipe: Connection, events: int, rate: float, delay: float
) -> dict[str, Any]:
    latencies: list[float] = []

    def take(event: Any) -> None:
        world.told.append(event)
        latencies.append(time.time() - event.event.received_at)

    world.told.clear()
    original = world.told
    with world.driver(tuning=Tuning(), password=None) as driver:
        driver._source._deliverer._inbox = take
        wait_for("stream", driver.listening.is_set)
        cpu = time.process_time()
        began = time.monotonic()
        pipe.send(rate)
        wait_for("all events", lambda: len(latencies) >= events or None, 300)
        seconds = time.monotonic() - began
        cpu = time.process_time() - cpu
    assert all(event.subject is not None for event in original)  # type: ignore[union-attr]
    ordered = sorted(latencies)
    return {
        "events": events,
        "offered_per_second": rate,
        "query_seconds": delay,
        "seconds": seconds,
        "events_per_second": events / seconds,
        "latency_p50_seconds": ordered[len(ordered) // 2],
        "latency_p99_seconds": ordered[int(len(ordered) * 0.99)],
        "driver_cpu_seconds": cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=4, help="events of each change")
    parser.add_argument("--rate", type=float, default=230.0, help="events a second offered")
    parser.add_argument("--delay", type=float, default=0.1, help="seconds a query takes")
    parser.add_argument("--comments", type=int, default=50_000)
    arguments = parser.parse_args()
    result = {
        "comments": bench_comments(arguments.comments),
        "patchsets": bench_patchsets(
            arguments.changes, arguments.rounds, arguments.rate, arguments.delay
        ),
        "patchsets_one_at_a_time": bench_patchsets(30, 1, 5.0, arguments.delay),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
