"""Sandbox Jenkins masters and the bridge in front of them, as processes, beside a Suite."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests
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
        urls: Mapping[str, str] | None = None,
        executors: int = 4,
        old: bool = False,
    ) -> None:
        """`urls`: masters, open to all, that run already and have the jobs; none are started."""
        self.suite = suite
        self.names = () if urls is not None else tuple(names)
        self.zmq_port = find_free_port()
        self.http_port = find_free_port()
        self.ports = {name: find_free_port() for name in self.names}
        self._urls = urls or {}
        self._executors = executors
        self._old = old
        self._folder = suite.folder / "masters"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._setup = self._folder / "setup.yaml"
        scripts = {name: {"script": self.script(argv)} for name, argv in jobs.items()}
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

    def restart_gently(self, name: str) -> None:
        """As an administrator upgrades a master: quiet down, wait for its builds, restart."""
        url = f"{self._url(name)}/quietDown"
        requests.post(url, auth=(USER, TOKEN), timeout=10).raise_for_status()
        wait_for(lambda: not self._busy(name), f"idle master {name}", 120, self.suite.logs)
        self.master(name).stop()
        self.start_master(name)

    def all_busy(self) -> bool:
        """Whether every master builds something now."""
        return all(self._busy(name) for name in self.names)

    def _busy(self, name: str) -> int:
        url = f"{self._url(name)}/computer/api/json"
        answer = requests.get(url, auth=(USER, TOKEN), timeout=10)
        return int(answer.json()["busyExecutors"])

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def script(self, argv: Sequence[str]) -> str:
        """The shell step of a job."""
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
        sections += [f"[master {name}]\nurl = {url}\n" for name, url in self._urls.items()]
        return "\n".join(sections)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
