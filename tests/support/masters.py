"""Sandbox Jenkins masters and the bridge in front of them, as processes, beside a Suite."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.processes import REST_SECONDS, ROOT, Process, find_free_port, wait_for
from tests.support.suite import Suite
from zuul.lib.modes import make_folder

#: what a master calls its own node
OWN = "Built-In Node"
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
        label: str | None = None,
    ) -> None:
        """`urls`: masters, open to all, that run already and have the jobs; none are started.
        `label`: of nodes over SSH that somebody gives the masters; the jobs run there alone."""
        self.suite = suite
        self.names = () if urls is not None else tuple(names)
        self.zmq_port = find_free_port()
        self.http_port = find_free_port()
        self.ports = {name: find_free_port() for name in self.names}
        self._urls = urls or {}
        self._executors = executors
        self._old = old
        self._label = label
        self._folder = suite.folder / "masters"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._setup = self._folder / "setup.yaml"
        scripts = {
            name: {"script": self.script(argv), "labels": label} for name, argv in jobs.items()
        }
        self._setup.write_text(yaml.safe_dump({"jobs": scripts}))
        self.conf_path = suite.folder / "shim.conf"

    def start(self) -> None:
        for process in [self._launch(name) for name in self.names]:
            _await(process)
        self.start_bridge()

    def start_master(self, name: str) -> Process:
        """Also starts a stopped one again, on the same port and folder."""
        process = self._launch(name)
        _await(process)
        return process

    def _launch(self, name: str) -> Process:
        folder = self._folder / name
        known = folder.exists()
        command: list[object] = ["-m", "tests.sandbox.jenkins", "--dir", folder]
        command += ["--port", self.ports[name], "--executors", self._executors]
        command += ["--quiet-seconds", "0", "--user", f"{USER}:{PASSWORD}:{TOKEN}"]
        command += ["--old"] if self._old else []
        command += ["--agents"] if self._label else []
        command += [] if known else ["--setup", self._setup]
        return self._run(f"jenkins-{name}", *command)

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
        requests.post(url, auth=(USER, TOKEN), timeout=REST_SECONDS).raise_for_status()
        wait_for(lambda: not self._busy(name), f"idle master {name}", 120, self.suite.logs)
        self.master(name).stop()
        self.start_master(name)

    def all_busy(self) -> bool:
        """Whether every master builds something now."""
        return all(self._busy(name) for name in self.names)

    def _busy(self, name: str) -> int:
        return int(self._ask(name, "computer/api/json")["busyExecutors"])

    def computers(self, name: str) -> dict[str, dict[str, Any]]:
        """Of a master, but its own, by name."""
        rows = self._ask(name, "computer/api/json")["computer"]
        return {row["displayName"]: row for row in rows if row["displayName"] != OWN}

    def builds(self, name: str) -> list[dict[str, Any]]:
        """All that a master ran or runs: `job`, number, builtOn, building, result."""
        tree = "jobs[name,builds[number,builtOn,building,result]]"
        return [
            {"job": job["name"], **build}
            for job in self._ask(name, "api/json", tree=tree)["jobs"]
            for build in job["builds"]
        ]

    def _ask(self, name: str, path: str, **query: str) -> dict[str, Any]:
        url = f"{self._url(name)}/{path}"
        answer = requests.get(url, query, auth=(USER, TOKEN), timeout=REST_SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def urls(self) -> dict[str, str]:
        """By name, without a slash at the end."""
        return {name: self._url(name) for name in self.names}

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


def _await(master: Process) -> None:
    master.wait_for_words('"port"', 30)


def _made(folder: Path) -> Path:
    make_folder(folder)
    return folder
