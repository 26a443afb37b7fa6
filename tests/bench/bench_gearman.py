"""Gearman: our server, client and worker against gear as shipped and against gearmand.

    python -m tests.bench.bench_gearman [--quick]

Server and workers have processes of their own. Prints one JSON object; figures in milliseconds,
jobs a second and KiB, and the ratios of rows of this same run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import psutil

from tests.bench.gearman.clients import CLIENTS, FUNCTION, Client
from tests.support.gearman import Recorder, eventually, free_port
from zuul.core.commands import LaunchBuild
from zuul.core.events import BuildCompleted
from zuul.drivers.gearman.builds import GearmanBuilds
from zuul.lib.gearman import AdminClient, GearmanClient
from zuul.model.layout import Precedence

PARAMETERS = {
    "ZUUL_PROJECT": "openstack/nova",
    "ZUUL_PIPELINE": "gate",
    "ZUUL_URL": "git://git.openstack.org",
    "ZUUL_BRANCH": "master",
    "ZUUL_CHANGE": "424242",
    "ZUUL_PATCHSET": "3",
    "ZUUL_CHANGE_IDS": "424242,3",
    "ZUUL_REF": "refs/zuul/master/Z6cb2ee7a34d64f2c9d9f1a5c0f1e9d3b",
    "LOG_PATH": "42/424242/3/gate/gate-nova-python27",
    "BASE_LOG_PATH": "42/424242/3/gate",
}
PAYLOAD = json.dumps(PARAMETERS).encode()
WAITING = 10_000


@contextlib.contextmanager
def process(*command: str) -> Iterator[psutil.Process]:
    """A helper that says READY and ends with its input."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline().strip() == "READY"
        yield psutil.Process(child.pid)
    finally:
        child.kill()
        child.wait(10.0)
        child.stdin.close()
        child.stdout.close()


@contextlib.contextmanager
def server(kind: str) -> Iterator[tuple[int, psutil.Process]]:
    """(port, process) of a server: ours, gear or gearmand."""
    port = free_port()
    if kind != "gearmand":
        with process(sys.executable, "-m", "tests.bench.gearman.serve", kind, str(port)) as found:
            yield port, found
        return
    program = shutil.which("gearmand", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program is not None
    command = [program, "-L", "127.0.0.1", "-p", str(port), "-l", "stderr", "-t", "4"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    admin = AdminClient("127.0.0.1", port)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(admin.version())
        return False

    try:
        eventually(answers)
        yield port, psutil.Process(child.pid)
    finally:
        admin.close()
        child.kill()
        child.wait(10.0)


@contextlib.contextmanager
def bench(server_kind: str, library: str, workers: int) -> Iterator[tuple[Client, Any, int]]:
    """A client, its server's process and port, with workers standing by."""
    with server(server_kind) as (port, found):
        command = (sys.executable, "-m", "tests.bench.gearman.work")
        with process(*command, library, str(port), str(workers), FUNCTION):
            client = CLIENTS[library](port)
            try:
                yield client, found, port
            finally:
                client.close()


def cpu_seconds(found: psutil.Process) -> float:
    times = found.cpu_times()
    return float(times.user + times.system)


def latency(client: Client, count: int) -> dict[str, float]:
    """Idle round trips, one after the other, in milliseconds."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        client.round_trip(PAYLOAD)
        times.append((time.perf_counter() - start) * 1000)
    times.sort()
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    return {"p50_ms": round(statistics.median(times), 3), "p99_ms": round(p99, 3)}


def throughput(client: Client, found: psutil.Process, jobs: int) -> dict[str, float]:
    """256 jobs in flight."""
    before, own = cpu_seconds(found), time.process_time()
    seconds = client.run(jobs, 256, PAYLOAD)
    return {
        "jobs_a_second": round(jobs / seconds),
        "server_cpu_us_a_job": round((cpu_seconds(found) - before) / jobs * 1e6),
        "client_cpu_us_a_job": round((time.process_time() - own) / jobs * 1e6),
    }


def idle_and_busy(server_kind: str, library: str, scale: float) -> dict[str, float]:
    slow = library == "gear"
    with bench(server_kind, library, workers=4) as (client, found, _port):
        latency(client, 5)
        figures = latency(client, int((60 if slow else 500) * scale))
        return figures | throughput(client, found, int((300 if slow else 8000) * scale))


def crowded(server_kind: str, scale: float) -> dict[str, float]:
    """What jobs that nobody can do cost the others, and the memory they take."""
    with bench(server_kind, "ours", workers=4) as (client, found, port):
        jobs = int(3000 * scale)
        client.run(500, 256, PAYLOAD)
        free = {**latency(client, 200), **throughput(client, found, jobs)}
        before = found.memory_info().rss
        other, heard = GearmanClient("waiting", "127.0.0.1", port), Recorder()
        for number in range(WAITING):
            other.submit("build:nobody", PAYLOAD, heard, unique=f"{number:032x}")
        eventually(lambda: len(heard.created) == WAITING, 60.0)
        grown = found.memory_info().rss - before
        full = {**latency(client, 200), **throughput(client, found, jobs)}
        other.close()
    return {
        "p50_ms_free": free["p50_ms"],
        "p50_ms_crowded": full["p50_ms"],
        "p50_slowdown": round(full["p50_ms"] / free["p50_ms"], 2),
        "jobs_a_second_free": free["jobs_a_second"],
        "jobs_a_second_crowded": full["jobs_a_second"],
        "throughput_slowdown": round(free["jobs_a_second"] / full["jobs_a_second"], 2),
        "kib_a_waiting_job": round(grown / 1024 / WAITING, 2),
    }


def builds_in_flight(server_kind: str) -> dict[str, float]:
    """10,000 builds through the scheduler's driver: all submitted, then all run."""
    with server(server_kind) as (port, _found):
        client, admin = GearmanClient("bench", "127.0.0.1", port), AdminClient("127.0.0.1", port)
        ended: list[Any] = []

        def inbox(event: Any) -> None:
            if isinstance(event, BuildCompleted):
                ended.append(event)

        builds = GearmanBuilds(client, admin, inbox, check_registration=False)
        builds.start()
        start = time.perf_counter()
        for number in range(WAITING):
            build = f"{number:032x}"
            builds.launch(LaunchBuild(build, "bench", FUNCTION, PARAMETERS, Precedence.NORMAL))

        def waiting() -> bool:
            status = admin.status().get(FUNCTION)
            return status is not None and status.total == WAITING

        eventually(waiting, 60.0)
        launched = time.perf_counter()
        command = (sys.executable, "-m", "tests.bench.gearman.work")
        with process(*command, "ours", str(port), "4", FUNCTION):
            eventually(lambda: len(ended) == WAITING, 120.0)
            done = time.perf_counter()
        assert {event.result for event in ended} == {"SUCCESS"}
        builds.stop()
        client.close()
        admin.close()
    return {
        "builds": WAITING,
        "launch_seconds": round(launched - start, 2),
        "run_seconds": round(done - launched, 2),
    }


def measure(scale: float) -> dict[str, Any]:
    servers = ["ours"]
    if shutil.which("gearmand", path="/usr/sbin:/usr/bin:/usr/local/sbin"):
        servers.append("gearmand")
    rows: dict[str, Any] = {"gear as shipped": idle_and_busy("gear", "gear", scale)}
    for name in servers:
        rows[f"our client on {name}"] = idle_and_busy(name, "ours", scale)
    old, new = rows["gear as shipped"], rows["our client on ours"]
    return {
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": sys.version[:6]},
        "system": platform.platform(),
        "idle_and_busy": rows,
        "crowded": {name: crowded(name, scale) for name in [*servers, "gear"]},
        "builds_in_flight": {name: builds_in_flight(name) for name in servers},
        "ratios": {
            "idle_p50_gear_to_ours": round(old["p50_ms"] / new["p50_ms"], 1),
            "jobs_a_second_ours_to_gear": round(new["jobs_a_second"] / old["jobs_a_second"], 1),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="notifyAll")
    print(json.dumps(measure(0.1 if arguments.quick else 1.0), indent=2))


if __name__ == "__main__":
    main()
