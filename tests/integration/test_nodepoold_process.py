"""nodepoold as a process: signals, reloads, the PID file, a second one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.log_config import NODEPOOL_LOG
from tests.support.processes import Process, find_free_port, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

YAML = "labels: []\nproviders: []\ntargets: [{name: t, rate: 1.0}]\n"


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.yaml = folder / "nodepool.yaml"
        self.yaml.write_text(YAML)
        (folder / "logging.conf").write_text(NODEPOOL_LOG)
        (folder / "secure.conf").write_text(
            f"[database]\ndburi=sqlite:///{folder}/nodepool.sqlite\n"
        )
        self.pidfile = folder / "nodepool.pid"
        self.started: list[Process] = []

    def command(self, port: int, *options: object) -> list[str]:
        words = [sys.executable, "-m", "nodepool.cmd.nodepoold", "-c", self.yaml]
        words += ["-s", self.folder / "secure.conf", "-l", self.folder / "logging.conf"]
        words += ["-p", self.pidfile, "--web-address", "127.0.0.1", "--web-port", port]
        return [str(word) for word in (*words, *options)]

    def start(self, name: str, *options: object) -> tuple[Process, int]:
        port = find_free_port()
        process = Process.start(name, self.command(port, *options), self.folder)
        self.started.append(process)
        return process, port


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for process in site.started:
        process.stop()


def status(port: int) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/node-list", timeout=10).status_code
    except requests.ConnectionError:
        return 0


def await_status(process: Process, port: int, wanted: int) -> None:
    wait_for(lambda: status(port) == wanted, f"{wanted} of {process.name}", 60, process.log)


def await_line(process: Process, text: str) -> None:
    process.wait_for_words(text, 60)


def test_signals_reloads_and_a_second_one(site: Site) -> None:
    first, first_port = site.start("first", "-d")
    await_status(first, first_port, 200)
    second, second_port = site.start("second", "-d")
    await_status(second, second_port, 503)

    first.send(signal.SIGUSR2)
    await_line(first, "nodepool.stack_dump: Thread: NodePool")
    site.yaml.write_text(YAML.replace("[{name: t, rate: 1.0}]", "[{name: t, rate: fast}]"))
    await_line(first, "Configuration not read again")
    site.yaml.write_text(YAML.replace("name: t", "name: u"))
    await_line(first, "Configuration read again targets=t,u")
    first.send(signal.SIGHUP)
    await_line(first, "Configuration is the same")

    first.send(signal.SIGTERM)
    assert first.wait(30) == 0
    await_status(second, second_port, 200)
    assert first.has_said("Lease released")
    second.send(signal.SIGUSR1)
    assert second.wait(60) == 0
    assert second.has_said("Lease released")


def test_as_a_daemon(site: Site) -> None:
    command, port = site.start("daemon")
    assert command.wait(60) == 0
    assert status(port) in (200, 503)
    pid = int(site.pidfile.read_text())
    process = Path(f"/proc/{pid}")
    assert b"nodepoold" in (process / "cmdline").read_bytes()
    os.kill(pid, signal.SIGINT)
    wait_for(lambda: not process.exists(), "the daemon's end", 60)
    assert not site.pidfile.exists()
