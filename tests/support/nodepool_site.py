"""Nodepool at work, as processes: a sandbox cloud, sandbox Jenkins masters, a Gearman server, the
bridge, and nodepoold between them. Tests, the demo and benches start it, and kill parts of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import requests
import yaml

from nodepool.db.database import Database
from nodepool.db.people import People
from nodepool.errors import StoreError
from nodepool.model import Node
from tests.sandbox.jenkins_process import JenkinsProcess
from tests.sandbox.nova_process import CloudProcess
from tests.support.gearman_admin import ask_status
from tests.support.log_config import NODEPOOL_LOG
from tests.support.nodepool_build import Build
from tests.support.nodepool_files import LABEL, PASSWORD, TOKEN, USER, NodepoolFiles
from tests.support.processes import REST_SECONDS, Process, find_free_port, wait_for
from zuul.lib.gearman import GearmanClient, Priority
from zuul.lib.secret import Secret

CLOUD_OPTIONS = (
    *("--quota", "20", "--boot-seconds", "0.3", "--ssh-seconds", "0.1"),
    *("--delete-seconds", "0.1", "--snapshot-seconds", "0.3"),
)
_GEARMAN = """
import sys, threading
from zuul.lib.gearman import GearmanServer
server = GearmanServer("127.0.0.1", int(sys.argv[1]))
server.start()
print("listening", flush=True)
threading.Event().wait()
"""


class NodepoolSite(NodepoolFiles):
    """start() and stop(), or a `with` block. What the files of nodepool say may be changed in
    `yaml` and `secure`; write_config() writes them."""

    def __init__(
        self,
        folder: Path,
        *,
        jobs: Mapping[str, str] | None = None,
        masters: Sequence[str] = ("alpha",),
        min_ready: int = 1,
        max_servers: int = 5,
        delete_delay: float = 1.0,
        cloud_options: Sequence[str] = CLOUD_OPTIONS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`jobs`: shell steps by name; all run on nodes of the label `trusty`."""
        super().__init__(folder, masters, min_ready, max_servers, delete_delay)
        self.jobs = dict(jobs or {"unit": "sleep 1"})
        self.environment = dict(environment or {})
        self.processes: dict[str, Process] = {}
        self.cloud = CloudProcess(folder / "cloud", *cloud_options)
        self.jenkins: dict[str, JenkinsProcess] = {}
        self._gearman: GearmanClient | None = None
        self._database: Database | None = None
        self._stack = ExitStack()

    # -- life --------------------------------------------------------------------------------------

    def start(self, *, nodepoold: bool = True) -> NodepoolSite:
        """Returns when all processes run; nodes come by and by."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path.write_text(NODEPOOL_LOG)
        self._stack.callback(self._stop_processes)
        self._start_gearman()
        self._stack.enter_context(self.cloud)
        for name in self.masters:
            self._stack.enter_context(self._master(name))
        self.start_bridge()
        self.settle(self.cloud.account())
        self.write_config()
        if nodepoold:
            self.start_nodepoold()
        return self

    def stop(self) -> None:
        """End all for certain."""
        gearman, self._gearman = self._gearman, None
        if gearman is not None:
            gearman.close()
        database, self._database = self._database, None
        if database is not None:
            database.close()
        self._stack.close()

    def __enter__(self) -> NodepoolSite:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start_nodepoold(self, name: str = "nodepoold", *options: str) -> Process:
        """`name`: of a second one beside the first, too; its pages are on another port then."""
        port = self.web_port if name == "nodepoold" else find_free_port()
        words = ["-m", "nodepool.cmd.nodepoold", "-d", "-c", self.yaml_path]
        words += ["-s", self.secure_path, "-l", self.log_path]
        words += ["--web-address", "127.0.0.1", "--web-port", port, *options]
        return self._run(name, *words)

    @property
    def nodepoold(self) -> Process:
        return self.processes["nodepoold"]

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n{p.log()}" for p in self.processes.values())

    # -- what there is -----------------------------------------------------------------------------

    @property
    def database(self) -> Database:
        if self._database is None:
            self._database = Database(Secret(self.dburi))
        return self._database

    @property
    def people(self) -> People:
        """The database, as the command line uses it; once nodepoold has made its tables."""
        return People(self.database)

    def nodes(self, *states: str) -> list[Node]:
        """Rows in these states, or all; none before nodepoold has made its tables."""
        try:
            found = self.people.nodes()
        except StoreError:
            return []
        return [node for node in found if not states or node.state.word in states]

    def servers(self) -> list[dict[str, Any]]:
        """What the cloud has."""
        found: list[dict[str, Any]] = self.cloud.call("servers")
        return found

    def jenkins_nodes(self, master: str) -> dict[str, dict[str, Any]]:
        """Computers of a master by name, but its own."""
        url = f"http://127.0.0.1:{self.masters[master]}/computer/api/json"
        answer = requests.get(url, auth=(USER, TOKEN), timeout=REST_SECONDS)
        rows = answer.json()["computer"]
        return {row["displayName"]: row for row in rows if row["displayName"] not in _BUILT_IN}

    def page(self, path: str) -> requests.Response:
        """A page of nodepoold's web server."""
        return requests.get(f"http://127.0.0.1:{self.web_port}{path}", timeout=REST_SECONDS)

    def wait_for_nodes(self, count: int, state: str = "ready", seconds: float = 60) -> list[Node]:
        """Until there are at least so many in that state."""

        def look() -> list[Node] | None:
            found = self.nodes(state)
            return found if len(found) >= count else None

        return wait_for(look, f"{count} nodes in state {state}", seconds, self.explain)

    def wait_until_gone(self, nodenames: Iterable[str], seconds: float = 120) -> None:
        """Rows, servers and Jenkins' entries."""
        names = set(nodenames)

        def gone() -> bool:
            left = {node.nodename for node in self.nodes()}
            left |= {server["name"] for server in self.servers()}
            for master in self.masters:
                left |= set(self.jenkins_nodes(master))
            return not left & names

        wait_for(gone, f"end of {', '.join(sorted(names))}", seconds, self.explain)

    def expect_servers(self, nodes: Iterable[Node], seconds: float = 60) -> None:
        """Until the cloud has the servers of these nodes, and none besides."""
        names = {machine.hostname for node in nodes for machine in node.machines}

        def only() -> bool:
            return {server["name"] for server in self.servers()} == names

        wait_for(only, f"servers {', '.join(sorted(names))}", seconds, self.explain)

    def explain(self) -> str:
        """For failures."""
        rows = "\n".join(map(str, self.nodes()))
        servers = "\n".join(map(str, self.servers()))
        return f"{rows}\n{servers}\n{self.logs()}"

    # -- builds ------------------------------------------------------------------------------------

    def functions(self) -> dict[str, int]:
        """Workers by Gearman function."""
        return ask_status(self.gearman_port)

    def submit(self, job: str, label: str = LABEL, **parameters: str) -> Build:
        """A build, as the gate submits it."""
        if self._gearman is None:
            self._gearman = GearmanClient("site", "127.0.0.1", self.gearman_port)
        build = Build(job, uuid4().hex)
        arguments = {"ZUUL_UUID": build.uuid, "OFFLINE_NODE_WHEN_COMPLETE": "1", **parameters}
        self._gearman.submit(
            f"build:{job}:{label}" if label else f"build:{job}",
            json.dumps(arguments).encode(),
            build,
            unique=build.uuid,
            priority=Priority.NORMAL,
        )
        return build

    def wait_for_build(self, build: Build, seconds: float = 60) -> str | None:
        """Its result."""
        wait_for(lambda: build.outcome, f"end of {build.job}", seconds, self.explain)
        return build.result

    # -- parts -------------------------------------------------------------------------------------

    def _start_gearman(self) -> None:
        process = self._run("gearman", "-c", _GEARMAN, self.gearman_port)
        process.wait_for_words("listening", 30)

    def _master(self, name: str) -> JenkinsProcess:
        jobs = {
            job: {"script": script, "labels": LABEL, "quiet_seconds": 0}
            for job, script in self.jobs.items()
        }
        master = JenkinsProcess(
            self.folder / name,
            setup=yaml.safe_dump({"jobs": jobs}),
            user=f"{USER}:{PASSWORD}:{TOKEN}",
            port=self.masters[name],
        )
        self.jenkins[name] = master
        return master

    def start_bridge(self) -> Process:
        conf = self.write_bridge_config()
        return self._run("gearman-plugin-shim", "-m", "gearman_plugin_shim.cmd", "-c", conf, "-d")

    def _run(self, name: str, *arguments: object) -> Process:
        command = [sys.executable, *map(str, arguments)]
        process = Process.start(name, command, self.folder / "logs", self.environment)
        self.processes[name] = process
        return process

    def _stop_processes(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()


_BUILT_IN = ("master", "Built-In Node", "(master)")
