"""A whole nodepoold against the sandbox cloud: how fast it fills a quota, and what a node costs it.

Six providers, accounts of one cloud that boots so many servers a second and no more: that is the
limit that the fill is compared with. Then, with all nodes ready, builds start (told over ZeroMQ, by
this process) and the time to the create call of the replacement is taken from the cloud's log;
at the end all nodes are deleted.

`python -m tests.bench.bench_nodepool [--nodes 328 1000 2000] [--per-second 5]` prints JSON. It
takes minutes, and needs root, for the servers' SSH on port 22 of loopback addresses.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
import zmq

from nodepool.db.database import Database
from nodepool.db.people import People
from nodepool.errors import StoreError
from nodepool.model import Node, NodeState
from tests.sandbox.nova_process import CloudProcess
from tests.support.log_config import log_config
from tests.support.nodepool_files import make_key
from tests.support.processes import Process, find_free_port, wait_for
from zuul.lib.secret import Secret

PROVIDERS = 6
BOOT_SECONDS = 6.0
#: seconds between two calls of a provider
RATE = 0.05
LABEL = "trusty"
#: builds that start, and how many in a second: a burst of three times 720 an hour has 0.6
STARTS, STARTS_A_SECOND = 60, 1
PREPARE = """#!/bin/sh -e
mkdir -p /home/jenkins/.ssh /etc/nodepool
echo '{key}' > /home/jenkins/.ssh/authorized_keys
chmod 0777 /etc/nodepool
"""


class Bench:
    """A cloud, nodepoold, and a publisher of build events."""

    def __init__(self, folder: Path, nodes: int, per_second: float) -> None:
        self.folder, self.nodes, self.per_second = folder, nodes, per_second
        builders = max(1, round(per_second * BOOT_SECONDS))
        self.cloud = CloudProcess(
            folder / "cloud",
            *("--boot-seconds", str(BOOT_SECONDS), "--ssh-seconds", "0.5"),
            *("--delete-seconds", "1", "--builders", str(builders)),
        )
        self.zmq_port = find_free_port()
        self.yaml_path = folder / "nodepool.yaml"
        self.secure_path = folder / "secure.conf"
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)

    def run(self) -> dict[str, Any]:
        self._socket.bind(f"tcp://127.0.0.1:{self.zmq_port}")
        try:
            with self.cloud:
                return self._run()
        finally:
            self._socket.close()

    def _run(self) -> dict[str, Any]:
        self._configure(0)
        logging = self.folder / "logging.conf"
        logging.write_text(log_config(nodepool="INFO", zuul="INFO"))
        words = ["-m", "nodepool.cmd.nodepoold", "-d", "-c", self.yaml_path, "-s", self.secure_path]
        words += ["-l", logging, "--no-webapp"]
        daemon = Process.start("nodepoold", [sys.executable, *map(str, words)], self.folder)
        database = Database(Secret(self.dburi))
        try:
            people = People(database)
            wait_for(daemon.log, "nodepoold", 60)
            wait_for(lambda: self._images(people) == PROVIDERS, "images", 300, daemon.log)
            return {
                "nodes": self.nodes,
                "providers": PROVIDERS,
                "cloud_servers_a_second": self.per_second,
                **self._fill(people, daemon),
                **self._replace(people),
                **self._drain(people, daemon),
            }
        finally:
            database.close()
            daemon.stop()

    def _configure(self, min_ready: int) -> None:
        key_path = self.folder / "id_rsa"
        if not key_path.exists():
            scripts = self.folder / "scripts"
            scripts.mkdir()
            (scripts / "prepare.sh").write_text(PREPARE.format(key=make_key(key_path)))
            self.secure_path.write_text(f"[database]\ndburi={self.dburi}\n")
            self.secure_path.chmod(0o600)
            for number in range(PROVIDERS):
                name = f"account{number}"
                self.cloud.call("add_user", name, "secret", name)
                limits = dict.fromkeys(("instances", "cores", "ram"), -1)
                self.cloud.call("set_quota", name, **limits)
        image = {"name": LABEL, "base-image": "base", "min-ram": 512, "setup": "prepare.sh"}
        most = -(-self.nodes // PROVIDERS)
        providers = [
            {
                "name": f"cloud{number}",
                "auth-url": self.cloud.auth_url,
                "username": f"account{number}",
                "password": "secret",
                "project-name": f"account{number}",
                "region-name": self.cloud.account().region,
                "max-servers": most,
                "rate": RATE,
                "boot-timeout": 120,
                "images": [{**image, "private-key": str(key_path)}],
            }
            for number in range(PROVIDERS)
        ]
        label = {
            "name": LABEL,
            "image": LABEL,
            "min-ready": min_ready,
            "providers": [{"name": each["name"]} for each in providers],
        }
        text = yaml.safe_dump(
            {
                "script-dir": str(self.folder / "scripts"),
                "zmq-publishers": [f"tcp://127.0.0.1:{self.zmq_port}"],
                "labels": [label],
                "providers": providers,
                "targets": [{"name": "master"}],
            }
        )
        new = self.yaml_path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.yaml_path)

    # -- phases ------------------------------------------------------------------------------------

    def _images(self, people: People) -> int:
        try:
            return sum(image.state is NodeState.READY for image in people.images())
        except StoreError:
            return 0  # no tables yet

    def _fill(self, people: People, daemon: Process) -> dict[str, Any]:
        self.cloud.call("requests.clear")
        began = time.monotonic()
        self._configure(self.nodes)
        limit = self.nodes / self.per_second
        self._wait(people, daemon, lambda rows: count(rows, "ready") >= self.nodes, limit)
        # From the first create call, so that the interval of the file's reading does not count.
        creates = self.cloud.call("requests.times", "servers.create")
        seconds = time.monotonic() - creates[0]
        refused = self.cloud.call("requests.refused", "servers.create")
        status = Path(f"/proc/{daemon.popen.pid}/status").read_text()
        alone = BOOT_SECONDS + 0.5
        return {
            "fill_seconds": round(seconds, 1),
            "limit_seconds": round(limit + alone, 1),
            "ratio_to_limit": round(seconds / (limit + alone), 3),
            "seconds_to_first_create": round(creates[0] - began, 2),
            "creates": len(creates),
            "refused_share_of_creates": round(refused / len(creates), 4),
            "threads": int(field(status, "Threads")),
            "memory_mib": round(int(field(status, "VmRSS")) / 1024, 1),
        }

    def _replace(self, people: People) -> dict[str, Any]:
        """Each start makes room for a create only where the quota has some: it is raised first."""
        self.nodes += STARTS + PROVIDERS
        self._configure(self.nodes - STARTS - PROVIDERS)
        time.sleep(5)  # the file is read every two seconds
        ready = [node for node in people.nodes() if node.state is NodeState.READY]
        chosen = random.Random(1).sample(ready, min(STARTS, len(ready)))
        self.cloud.call("requests.clear")
        starts = []
        for node in chosen:
            started = time.monotonic()
            build = {"phase": "STARTED", "node_name": node.nodename, "parameters": {}}
            event = {"name": "unit", "url": "job/unit/", "build": build}
            self._socket.send_string(f"onStarted {json.dumps(event)}")
            starts.append(started)
            time.sleep(max(0.0, started + 1 / STARTS_A_SECOND - time.monotonic()))
        creates = wait_for(
            lambda: enough(self.cloud.call("requests.times", "servers.create"), len(starts)),
            "replacements",
            60,
        )
        latencies = sorted(c - s for c, s in zip(creates, starts, strict=False))
        return {
            "replacements": len(latencies),
            "replacement_p50_seconds": round(statistics.median(latencies), 4),
            "replacement_p99_seconds": round(latencies[int(len(latencies) * 0.99)], 4),
        }

    def _drain(self, people: People, daemon: Process) -> dict[str, Any]:
        before = self.cloud.call("requests.times", "servers.create")
        self._configure(0)
        time.sleep(5)
        rows = people.nodes()
        self.cloud.call("requests.clear")
        began = time.monotonic()
        for node in rows:
            people.set_state(node.id, NodeState.DELETE, time.time())
        self._wait(people, daemon, lambda rows: not rows, len(rows) / 10)
        seconds = time.monotonic() - began
        counts = self.cloud.call("requests")["counts"]
        calls = sum(n for kind, n in counts.items() if kind not in POLLS) / len(rows)
        return {
            "drain_seconds": round(seconds, 1),
            # one create each, and what their end took
            "calls_a_node_life": round(1 + calls, 2),
            "replacements_created": len(before),
            "calls_by_kind_in_the_drain": counts,
            "left_in_the_cloud": len(self.cloud.call("servers")),
        }

    def _wait(self, people: People, daemon: Process, done: Any, limit: float) -> None:
        deadline = time.monotonic() + 10 * limit + 120
        while not done(rows := people.nodes()):
            if time.monotonic() > deadline:
                raise SystemExit(f"{count(rows, 'ready')} ready of {len(rows)}\n{daemon.log()}")
            print(f"\r{count(rows, 'ready')} of {len(rows)} ready ", end="", file=sys.stderr)
            time.sleep(0.5)
        print(file=sys.stderr)


#: what does not grow with the number of nodes
POLLS = ("servers.list", "images.list", "limits", "token", "addresses.list")


def count(rows: list[Node], state: str) -> int:
    return sum(node.state.word == state for node in rows)


def enough(times: list[float], number: int) -> list[float] | None:
    return sorted(times)[:number] if len(times) >= number else None


def field(status: str, name: str) -> str:
    return status.partition(f"{name}:")[2].split()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[328, 1000, 2000])
    parser.add_argument("--per-second", type=float, default=5)
    options = parser.parse_args()
    results = []
    for nodes in options.nodes:
        with tempfile.TemporaryDirectory(prefix="bench-nodepool-") as folder:
            results.append(Bench(Path(folder), nodes, options.per_second).run())
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
