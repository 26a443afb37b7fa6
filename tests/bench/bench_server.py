"""Patch-set events a second through the whole of zuul-server, and how fast a push is launched.

A sandbox Gerrit that takes 100 ms a query replays `patchset-created` events of real changes at a
fixed rate over its event stream; zuul-server, a process of its own, looks each up, has it merged
and launches its build. Mergers and workers are stand-ins that answer at once, and nothing is
reported, so that the server is what is measured. Prints JSON: seconds from the event's line to the
build in a worker's hands.

    python -m tests.bench.bench_server [--rate 200] [--events 1000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.sandbox.gerrit import SandboxGerrit
from tests.support.processes import Process, wait_for
from tests.support.suite import Suite
from zuul.lib.gearman import GearmanWorker, Task

LAYOUT = """\
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: patchset-created
projects:
  - name: acme/one
    check: [unit]
"""
QUERY_SECONDS = 0.1


class Bench:
    """One run."""

    def __init__(self, rate: float, events: int) -> None:
        self._rate = rate
        self._events = events
        self._sent: dict[str, float] = {}
        self._launched: dict[str, float] = {}

    def run(self) -> dict[str, object]:
        with tempfile.TemporaryDirectory() as name, SandboxGerrit(Path(name) / "gerrit") as gerrit:
            gerrit.create_project("acme/one")
            for number in range(self._events):
                gerrit.upload("acme/one", f"Change {number}")
            rows = gerrit.events_seen("patchset-created")
            suite = Suite(
                Path(name) / "suite", gerrit.endpoint, LAYOUT, {"unit": []}, mergers=0, workers=0
            )
            suite.start_server()
            stand_ins = _start_stand_ins(suite.gearman_port, Path(name) / "launched")
            try:
                wait_for(lambda: gerrit.listeners, "the gate's event stream", 60, suite.logs)
                suite.wait_until_ready()
                gerrit.faults.delays["query"] = QUERY_SECONDS
                before = _cpu_seconds(suite.processes["zuul-server"].popen.pid)
                began = time.monotonic()
                self._replay(gerrit, rows)
                replayed = time.monotonic() - began
                wait_for(
                    lambda: self._all_launched(Path(name) / "launched"),
                    "all builds",
                    120,
                    suite.logs,
                )
                took = time.monotonic() - began
                cpu = _cpu_seconds(suite.processes["zuul-server"].popen.pid) - before
            finally:
                stand_ins.stop()
                suite.stop()
        return self._figures(replayed, took, cpu)

    def _replay(self, gerrit: SandboxGerrit, rows: list[dict[str, object]]) -> None:
        start = time.monotonic()
        for index, row in enumerate(rows):
            due = start + index / self._rate
            time.sleep(max(0.0, due - time.monotonic()))
            change = row["change"]
            assert isinstance(change, dict)
            self._sent[str(change["number"])] = time.monotonic()
            gerrit.send_raw(json.dumps(row) + "\n")

    def _all_launched(self, path: Path) -> bool:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) < self._events:
            return False
        self._launched = {number: float(at) for number, at in map(str.split, lines)}
        return True

    def _figures(self, replayed: float, took: float, cpu: float) -> dict[str, object]:
        waits = sorted(self._launched[number] - self._sent[number] for number in self._sent)
        return {
            "events": self._events,
            "query_ms": QUERY_SECONDS * 1000,
            "sent_per_second": round(self._events / replayed, 1),
            "launched_per_second": round(self._events / took, 1),
            "push_to_launch_ms": {
                "p50": round(statistics.median(waits) * 1000),
                "p99": round(waits[int(len(waits) * 0.99) - 1] * 1000),
                "max": round(waits[-1] * 1000),
            },
            "server_cpu_ms_per_event": round(cpu * 1000 / self._events, 2),
        }


def _start_stand_ins(port: int, launched: Path) -> Process:
    command = [
        sys.executable,
        "-m",
        "tests.bench.bench_server",
        "--stand-ins",
        f"{port}:{launched}",
    ]
    return Process.start("stand-ins", command, launched.parent / "logs")


def stand_in(port: int, launched: Path) -> None:
    """A merger and workers that answer at once; notes when each build came. Ends when killed."""
    merged = {"merged": True, "commit": "c" * 40, "zuul_url": "http://merger", "tree": "d" * 40}
    with launched.open("a", buffering=1) as notes:

        def build(task: Task) -> dict[str, str]:
            notes.write(f"{task.arguments()['ZUUL_CHANGE']} {time.monotonic()}\n")
            return {"result": "SUCCESS"}

        functions = {"merger:merge": lambda task: merged, "build:unit": build}
        GearmanWorker("stand-in", "127.0.0.1", port, functions, connections=4).start()
        threading.Event().wait(600)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--stand-ins", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stand_ins:
        port, _, path = options.stand_ins.partition(":")
        stand_in(int(port), Path(path))
        return 0
    print(json.dumps(Bench(options.rate, options.events).run(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
