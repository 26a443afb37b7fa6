"""The bridge at its full size: 3 masters, 328 nodes, 1,129 jobs of 3 functions each.

Masters (the sandbox's, whose builds only sleep), Gearman server and bridge are processes; the
bridge's Gearman connections go through a relay here, which counts packets. Measured: registration,
what is said when 50 nodes go offline at once, how long a build takes from its submission to its
start, beside builds posted directly to the same masters at the same time, a sustained rate, the
requests to each master, memory and CPU. Then the requests again with 10 jobs. Prints JSON.

    python -m tests.bench.bench_bridge [--gearmand] [--latency 150] [--sustain 120] [--no-small]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests.bench.bridge_fleet import IMAGES, PAIRS, Builds, Master, Relay, gearman_server
from tests.support.gearman_admin import ask_status
from tests.support.processes import Process, wait_for

MASTERS = ("alpha", "beta", "gamma")
JOBS = 1129
NODES = 328
OFFLINE_NODES = 50
BUILDS_PER_HOUR = 2000
LATENCY_PER_SECOND = 5.0
IDLE_SECONDS = 15.0


class Usage:
    """CPU, memory, packets and requests from here on."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._at = time.monotonic()
        self._cpu = cpu_seconds(bench.bridge.popen.pid)
        self._masters_cpu = [cpu_seconds(master.pid) for master in bench.masters]
        self._sent, self._bytes = bench.relay.sent.copy(), bench.relay.bytes_sent
        self._requests = [Counter(master.ask("requests")) for master in bench.masters]

    def figures(self) -> dict[str, Any]:
        bench, seconds = self._bench, time.monotonic() - self._at
        pid = bench.bridge.popen.pid
        requests_now = [Counter(master.ask("requests")) for master in bench.masters]
        asked = [now - then for now, then in zip(requests_now, self._requests, strict=True)]
        return {
            "seconds": round(seconds, 1),
            "bridge_cpu_percent": round(100 * (cpu_seconds(pid) - self._cpu) / seconds, 1),
            "master_cpu_percent": round(
                100 * (cpu_seconds(bench.masters[0].pid) - self._masters_cpu[0]) / seconds, 1
            ),
            "bridge_rss_mib": rss_mib(pid),
            "packets": dict(bench.relay.sent - self._sent),
            "bytes": bench.relay.bytes_sent - self._bytes,
            "requests_per_second": {
                master.name: round(each.total() / seconds, 2)
                for master, each in zip(bench.masters, asked, strict=True)
            },
            "requests_of_busiest": dict(grouped(max(asked, key=Counter.total))),
        }


def grouped(counts: Counter[str]) -> Counter[str]:
    """Requests by kind, names of jobs and numbers of builds left out."""
    found: Counter[str] = Counter()
    for path, count in counts.items():
        parts = path.split("/")
        places = [i for i, part in enumerate(parts) if part in ("job", "label", "item")]
        named = {place + 1 for place in places}
        words = ["*" if i in named or part.isdigit() else part for i, part in enumerate(parts)]
        found["/".join(words)] += count
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return round(int(text.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    waits = sorted(seconds)
    return {
        "n": len(waits),
        "p50_ms": round(statistics.median(waits) * 1000, 1),
        "p99_ms": round(waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000, 1),
        "max_ms": round(waits[-1] * 1000, 1),
    }


class Bench:
    """Masters, a Gearman server and a bridge of one size."""

    def __init__(self, folder: Path, jobs: int, *, c_server: bool) -> None:
        self._folder = folder
        self._jobs = jobs
        self._c_server = c_server
        self._stack = contextlib.ExitStack()
        self.masters: list[Master] = []

    def __enter__(self) -> Bench:
        share, rest = divmod(NODES, len(MASTERS))
        for number, name in enumerate(MASTERS):
            master = Master(name, self._folder, self._jobs, share + (number < rest))
            self._stack.callback(master.close)
            self.masters.append(master)
        for master in self.masters:
            master.wait()
        self.port = self._stack.enter_context(gearman_server(self._c_server))
        self.relay = Relay(self.port)
        self.builds = Builds(self.port)
        self._stack.callback(self.builds.client.close)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def register(self) -> dict[str, Any]:
        """Start the bridge; until each function has all its workers."""
        conf = self._folder / "shim.conf"
        conf.write_text(
            f"[gearman]\nserver = 127.0.0.1\nport = {self.relay.port}\n"
            "[publisher]\nbind = tcp://127.0.0.1:*\n"
            f"[shim]\nstate_dir = {self._folder}\npidfile = {self._folder / 'shim.pid'}\n"
            + "".join(f"[master {master.name}]\nurl = {master.url}\n" for master in self.masters)
        )
        command = [sys.executable, "-m", "gearman_plugin_shim.cmd", "-c", str(conf), "-d"]
        began = time.monotonic()
        self.bridge = Process.start("bridge", command, self._folder)
        self._stack.callback(self.bridge.stop)
        # A function of a job has workers for each of its two images, one of an image for its own.
        wanted = len(MASTERS) * self._jobs * 4
        self._wait_for_workers(wanted, "registration")
        took = time.monotonic() - began
        pid = self.bridge.popen.pid
        return {
            "seconds": round(took, 2),
            "functions": sum(name.startswith("build:") for name in ask_status(self.port)),
            "registrations": wanted,
            "bridge_cpu_seconds": round(cpu_seconds(pid), 2),
            "bridge_rss_mib": rss_mib(pid),
            "bytes": self.relay.bytes_sent,
        }

    def _workers(self) -> int:
        status = ask_status(self.port)
        return sum(count for name, count in status.items() if name.startswith("build:"))

    def _wait_for_workers(self, wanted: int, what: str) -> None:
        wait_for(lambda: self._workers() == wanted, what, 60, self.bridge.log)

    def idle(self) -> dict[str, Any]:
        usage = Usage(self)
        time.sleep(IDLE_SECONDS)
        return usage.figures()

    def churn(self) -> dict[str, Any]:
        """All nodes of one image of the first master and some of another go offline at once."""
        first = self.masters[0]
        numbers = [n for image in range(len(IMAGES)) for n in range(image, first.nodes, 4)]
        nodes = [f"node{n}" for n in numbers[:OFFLINE_NODES]]
        before = self._workers()
        # The image of which all nodes are gone: half of the jobs, two functions each.
        gone = 2 * sum(IMAGES[0] in PAIRS[number % len(PAIRS)] for number in range(self._jobs))
        figures = {}
        for word, offline, wanted in (
            ("offline", True, before - gone),
            ("online", False, before),
        ):
            usage = Usage(self)
            began = time.monotonic()
            first.ask("offline", nodes=nodes, value=offline)
            self._wait_for_workers(wanted, word)
            took = time.monotonic() - began
            figures[word] = {"followed_seconds": round(took, 2), **usage.figures()}
        return figures

    def latency(self, count: int) -> dict[str, Any]:
        """Builds by Gearman and builds posted directly, in turn, at the same rate."""
        posted: dict[str, float] = {}
        before = set(self.builds.submitted)
        short = list(range(0, self._jobs, 2))
        usage, start = Usage(self), time.monotonic()
        threads = []
        for index in range(2 * count):
            time.sleep(max(0.0, start + index / (2 * LATENCY_PER_SECOND) - time.monotonic()))
            number = short[index % len(short)]
            uuid = f"latency{index}"
            if index % 2:
                self.builds.submit(uuid, f"build:job{number}")
            else:
                master = self.masters[index // 2 % len(self.masters)]
                target = f"{master.url}job/job{number}/buildWithParameters"
                thread = threading.Thread(target=self._post, args=(target, uuid, posted))
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join(30)
        wait_for(self.builds.are_done, "all builds", 60, self.bridge.log)
        figures = usage.figures()
        started = self.started()
        wait_for(lambda: posted.keys() <= self.started().keys(), "posted builds", 30)
        started = self.started()
        mine = [uuid for uuid in self.builds.submitted if uuid not in before]
        sent = self.builds.submitted
        through = spread([started[uuid] - sent[uuid] for uuid in mine])
        directly = spread([started[uuid] - at for uuid, at in posted.items()])
        return {
            "builds_per_second": 2 * LATENCY_PER_SECOND,
            "submitted_to_started": through,
            "submitted_to_heard": spread([self.builds.heard[u] - sent[u] for u in mine]),
            "posted_to_started": directly,
            "by_master": self.by_master(mine),
            "added_p99_ms": round(through["p99_ms"] - directly["p99_ms"], 1),
            **figures,
        }

    @staticmethod
    def _post(target: str, uuid: str, posted: dict[str, float]) -> None:
        posted[uuid] = time.time()
        form = {"ZUUL_UUID": uuid, "delay": "0sec"}
        requests.post(target, data=form, allow_redirects=False, timeout=30).raise_for_status()

    def by_master(self, uuids: Sequence[str]) -> dict[str, int]:
        """How many of these builds each master has had."""
        return {
            master.name: len(set(uuids) & master.ask("builds").keys()) for master in self.masters
        }

    def started(self) -> dict[str, float]:
        """Epoch at which each build began, by UUID."""
        return {
            uuid: at
            for master in self.masters
            for uuid, (at, _result) in master.ask("builds").items()
        }

    def sustain(self, seconds: float) -> dict[str, Any]:
        """Builds of half a minute at the whole rate."""
        long = list(range(1, self._jobs, 2))
        usage, start = Usage(self), time.monotonic()
        before = set(self.builds.submitted)
        count = max(1, int(seconds * BUILDS_PER_HOUR / 3600))
        for index in range(count):
            time.sleep(max(0.0, start + index * 3600 / BUILDS_PER_HOUR - time.monotonic()))
            self.builds.submit(f"sustained{index}", f"build:job{long[index % len(long)]}")
        figures = usage.figures()
        wait_for(self.builds.are_done, "all builds", 90, self.bridge.log)
        mine = [uuid for uuid in self.builds.submitted if uuid not in before]
        started = self.started()
        ends = Counter(str(self.builds.ended[uuid]) for uuid in mine)
        sent = self.builds.submitted
        return {
            "builds": len(mine),
            "ends": dict(ends),
            "by_master": self.by_master(mine),
            "submitted_to_started": spread([started[uuid] - sent[uuid] for uuid in mine]),
            "submitted_to_heard": spread([self.builds.heard[uuid] - sent[uuid] for uuid in mine]),
            **figures,
        }


def run(options: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"gearman": "gearmand" if options.gearmand else "ours"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "full"
        folder.mkdir()
        with Bench(folder, options.jobs, c_server=options.gearmand) as bench:
            figures["registration"] = bench.register()
            figures["idle"] = bench.idle()
            figures["latency"] = bench.latency(options.latency)
            figures["churn"] = bench.churn()
            if options.sustain:
                figures["sustained"] = bench.sustain(options.sustain)
        if options.small:
            folder = Path(name) / "small"
            folder.mkdir()
            with Bench(folder, 10, c_server=options.gearmand) as bench:
                figures["ten_jobs"] = {
                    "registration": bench.register(),
                    "idle": bench.idle(),
                    "latency": bench.latency(max(20, options.latency // 3)),
                }
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gearmand", action="store_true", help="instead of our own server")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--latency", type=int, default=150, help="builds of each kind")
    parser.add_argument("--sustain", type=float, default=120.0, help="seconds; 0: not at all")
    parser.add_argument("--no-small", dest="small", action="store_false", help="without 10 jobs")
    options = parser.parse_args()
    print(json.dumps(run(options), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
