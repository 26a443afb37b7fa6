"""What stands around a bridge that is measured: masters, a Gearman server, a submitter.

A master is a process of its own, `python -m tests.bench.bridge_fleet FOLDER JOBS NODES`, that obeys
lines of JSON on its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.sandbox.jenkins import SandboxJenkins
from tests.support.processes import ROOT, find_free_port
from zuul.daemon.gearman_child import GearmanChild
from zuul.lib.gearman import ClientJob, GearmanClient, Outcome
from zuul.lib.gearman.packets import PACKET_NAMES

IMAGES = ("trusty", "precise", "centos", "fedora")
#: each job may run on two of the images: build:JOB, build:JOB:ONE and build:JOB:OTHER
PAIRS = [(one, other) for i, one in enumerate(IMAGES) for other in IMAGES[i + 1 :]]
#: of jobs with even numbers, and with odd ones
SHORT_SECONDS = 1
LONG_SECONDS = 30


def serve_master(folder: Path, jobs: int, nodes: int) -> int:
    jenkins = SandboxJenkins(folder, persistent=False, executors=0, quiet_seconds=0.0, crumbs=False)
    with jenkins:
        for number in range(nodes):
            jenkins.add_node(f"node{number}", IMAGES[number % len(IMAGES)])
        for number in range(jobs):
            pair = PAIRS[number % len(PAIRS)]
            seconds = LONG_SECONDS if number % 2 else SHORT_SECONDS
            jenkins.add_job(f"job{number}", f"sleep {seconds}", labels=" || ".join(pair))
        print(json.dumps(jenkins.url), flush=True)
        for line in sys.stdin:
            print(json.dumps(_obey(jenkins, json.loads(line))), flush=True)
    return 0


def _obey(jenkins: SandboxJenkins, order: dict[str, Any]) -> Any:
    match order["do"]:
        case "offline":
            for name in order["nodes"]:
                jenkins.set_offline(name, order["value"], "the bench")
            return None
        case "requests":
            return dict(jenkins.requests.counts)
        case "builds":
            return {
                each.uuid: [each.started_at_ms / 1000, each.result] for each in jenkins.builds()
            }
    raise ValueError(order)


class Master:
    """Such a process, seen from outside."""

    def __init__(self, name: str, folder: Path, jobs: int, nodes: int) -> None:
        self.name = name
        self.nodes = nodes
        command = [sys.executable, "-m", "tests.bench.bridge_fleet", str(folder / name)]
        command += [str(jobs), str(nodes)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait(self) -> Master:
        self.url: str = self._answer()
        return self

    def ask(self, do: str, **more: Any) -> Any:
        assert self._process.stdin is not None
        print(json.dumps({"do": do, **more}), file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Relay:
    """Passes connections on to the Gearman server, and counts the bridge's packets."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.sent: Counter[str] = Counter()
        self.bytes_sent = 0
        self._loop = asyncio.new_event_loop()
        self.port = find_free_port()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(
            self._pass(reader, there[1], self._count), self._pass(there[0], writer, lambda _: None)
        )

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        count: Callable[[bytearray], None],
    ) -> None:
        rest = bytearray()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                rest += data
                count(rest)
                await writer.drain()
        writer.close()

    def _count(self, rest: bytearray) -> None:
        """Count the whole packets at the front, and take them off."""
        at = 0
        while len(rest) >= at + 12:
            kind = int.from_bytes(rest[at + 4 : at + 8], "big")
            size = 12 + int.from_bytes(rest[at + 8 : at + 12], "big")
            if len(rest) < at + size:
                break
            self.sent[PACKET_NAMES.get(kind, str(kind))] += 1
            self.bytes_sent += size
            at += size
        del rest[:at]


@contextlib.contextmanager
def gearman_server(c_server: bool) -> Iterator[int]:
    if not c_server:
        child = GearmanChild("127.0.0.1", 0, None)
        child.start()
        try:
            yield child.port
        finally:
            child.stop()
        return
    program = shutil.which("gearmand") or shutil.which("gearmand", path="/usr/sbin")
    assert program is not None, "gearmand is not installed"
    port = find_free_port()
    process = subprocess.Popen(
        [program, "-L", "127.0.0.1", "-p", str(port), "-l", "stderr"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # It says nothing of no functions: the answer's end is what counts.
        time.sleep(1.0)
        yield port
    finally:
        process.kill()
        process.wait(10)


class Builds:
    """Submits builds and notes when each was submitted, heard to run, and ended (epoch)."""

    def __init__(self, port: int) -> None:
        self.client = GearmanClient("bench", "127.0.0.1", port)
        assert self.client.wait_connected(10)
        self.submitted: dict[str, float] = {}
        self.heard: dict[str, float] = {}
        self.ended: dict[str, tuple[str, str | None]] = {}

    def submit(self, uuid: str, function: str) -> None:
        payload = json.dumps({"ZUUL_UUID": uuid, "ZUUL_PROJECT": "acme/one", "ZUUL_PIPELINE": "c"})
        self.submitted[uuid] = time.time()
        self.client.submit(function, payload.encode(), self, key=uuid)

    def are_done(self) -> bool:
        return self.submitted.keys() == self.ended.keys()

    # JobListener, on the client's thread.

    def job_created(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        if isinstance(json.loads(data)["number"], int):
            self.heard.setdefault(job.key, time.time())

    def job_status(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """Not of interest."""

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        result = json.loads(data).get("result") if outcome is Outcome.COMPLETE else None
        self.ended[job.key] = (outcome.value, result)


if __name__ == "__main__":
    sys.exit(serve_master(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
