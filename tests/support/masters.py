"""Sandbox Jenkins masters and the bridge in front of them, as processes, beside a Suite."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.support.processes import ROOT, Process, find_free_port, wait_for
from tests.support.suite import Suite

USER, PASSWORD, TOKEN = "zuul", "password", "11aabbccddeeff00112233445566778899"


class Masters:
    """Some masters with the same jobs, and one bridge."""

    def __init__(
        self,
        suite: Suite,
        jobs: Mapping[str, Sequence[str]],
        names: Sequence[str] = ("alpha", "beta"),
        *,
        executors: int = 4,
        old: bool = False,
    ) -> None:
        self.suite = suite
        self.names = tuple(names)
        self.zmq_port = find_free_port()
        self.http_port = find_free_port()
        self.ports = {name: find_free_port() for name in names}
        self._executors = executors
        self._old = old
        self._folder = suite.folder / "masters"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._setup = self._folder / "setup.yaml"
        scripts = {name: {"script": self._script(argv)} for name, argv in jobs.items()}
        self._setup.write_text(yaml.safe_dump({"jobs": scripts}))
        self.conf_path = suite.folder / "shim.conf"

    def start(self) -> None:
        for name in self.names:
            self.start_master(name)
        self.start_bridge()

    def start_master(self, name: str) -> Process:
        """Also starts a stopped one again, on the same port and folder."""
        folder = self._folder / name
        known = folder.exists()
        command: list[object] = ["-m", "tests.sandbox.jenkins", "--dir", folder]
        command += ["--port", self.ports[name], "--executors", self._executors]
        command += ["--quiet-seconds", "0", "--user", f"{USER}:{PASSWORD}:{TOKEN}"]
        command += ["--old"] if self._old else []
        command += [] if known else ["--setup", self._setup]
        process = self._run(f"jenkins-{name}", *command)
        wait_for(lambda: '"port"' in process.log(), f"master {name}", 30, process.log)
        return process

    def start_bridge(self) -> Process:
        self.conf_path.write_text(self._conf())
        self.conf_path.chmod(0o600)
        return self._run(
            "gearman-plugin-shim", "-m", "gearman_plugin_shim.cmd", "-c", self.conf_path, "-d"
        )

    @property
    def bridge(self) -> Process:
        return self.suite.processes["gearman-plugin-shim"]

    def master(self, name: str) -> Process:
        return self.suite.processes[f"jenkins-{name}"]

    def _script(self, argv: Sequence[str]) -> str:
        base = [sys.executable, "-m", "tests.sandbox.build"]
        words = [*base, "--git-base", self.suite.endpoint.http_url, "--", *argv]
        return f"export PYTHONPATH={shlex.quote(str(ROOT))}\nexec {shlex.join(words)}\n"

    def _run(self, name: str, *arguments: object) -> Process:
        command = [sys.executable, *map(str, arguments)]
        process = Process.start(name, command, self.suite.folder / "logs", self.suite.environment)
        self.suite.processes[name] = process
        return process

    def _conf(self) -> str:
        sections = [
            f"[gearman]\nserver = 127.0.0.1\nport = {self.suite.gearman_port}\n",
            f"[publisher]\nbind = tcp://127.0.0.1:{self.zmq_port}\n"
            f"http_host = 127.0.0.1\nhttp_port = {self.http_port}\n",
            f"[shim]\nstate_dir = {_made(self.suite.folder / 'shim')}\n"
            f"pidfile = {self.suite.folder / 'shim.pid'}\n"
            f"log_config = {self.suite.log_config}\n",
        ]
        sections += [
            f"[master {name}]\nurl = http://127.0.0.1:{port}\nuser = {USER}\napikey = {TOKEN}\n"
            for name, port in self.ports.items()
        ]
        return "\n".join(sections)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
