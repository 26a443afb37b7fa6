"""zuul-server and zuul-merger as operators start them: in the background, with a PID file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.acceptance.people import LAYOUT
from tests.support.processes import ROOT, find_free_port, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

CONF = """
[gearman]
server = 127.0.0.1
port = {gearman}
[webapp]
listen_address = 127.0.0.1
port = {web}
[zuul]
layout_config = {folder}/layout.yaml
state_dir = {folder}/state
pidfile = {folder}/zuul.pid
[merger]
git_dir = {folder}/git
zuul_url = http://127.0.0.1/p
pidfile = {folder}/merger.pid
[connection gerrit]
driver = gerrit
server = 127.0.0.1
port = {nobody}
user = zuul
known_hosts = {folder}/known_hosts
"""


class Place:
    """A folder with a zuul.conf, and what was started from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "zuul.conf"
        self.web = find_free_port()
        self._pids: list[int] = []
        (folder / "state").mkdir(mode=0o700)
        (folder / "known_hosts").touch()
        (folder / "layout.yaml").write_text(LAYOUT)
        self.conf.write_text(
            CONF.format(
                folder=folder, gearman=find_free_port(), web=self.web, nobody=find_free_port()
            )
        )

    def start(self, program: str, pidfile: str, *options: object) -> int:
        """The daemon's process id; it serves when the command has ended."""
        command = [sys.executable, "-m", f"zuul.cmd.{program}", "-c", str(self.conf)]
        done = subprocess.run(
            [*command, *map(str, options)], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
        pid = int((self.folder / pidfile).read_text())
        self._pids.append(pid)
        return pid

    def end(self, pid: int, pidfile: str) -> None:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not (self.folder / pidfile).exists(), f"end of {pidfile}", 60)
        self._pids.remove(pid)

    def pipelines(self) -> list[str]:
        status = requests.get(f"http://127.0.0.1:{self.web}/status.json", timeout=10).json()
        return [pipeline["name"] for pipeline in status["pipelines"]]

    def kill(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.kill()


def test_a_server_with_another_layout_until_the_next_hup(place: Place) -> None:
    """Compat: what -l names ends with the first SIGHUP (contract zuul.md 1)."""
    other = place.folder / "other.yaml"
    other.write_text(LAYOUT.replace("name: post", "name: other").replace("    post: [unit]\n", ""))
    pid = place.start("server", "zuul.pid", "-l", other)
    assert wait_for(place.pipelines, "a layout") == ["check", "gate", "other"]
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: place.pipelines() == ["check", "gate", "post"], "the layout of zuul.conf")
    place.end(pid, "zuul.pid")


def test_a_merger(place: Place) -> None:
    pid = place.start("merger", "merger.pid")
    os.kill(pid, 0)
    place.end(pid, "merger.pid")
