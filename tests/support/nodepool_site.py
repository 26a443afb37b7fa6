"""Nodepool at work, as processes: a sandbox cloud, sandbox Jenkins masters, a Gearman server, the
bridge, and nodepoold between them. Tests, the demo and benches start it, and kill parts of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
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
from tests.support.processes import Process, find_free_port, wait_for
from zuul.lib.gearman import ClientJob, GearmanClient, Outcome, Priority
from zuul.lib.modes import make_folder
from zuul.lib.secret import Secret

USER, PASSWORD, TOKEN = "nodepool", "password", "11aabbccddeeff00112233445566778899"
LABEL = "trusty"
CLOUD_OPTIONS = (
    *("--quota", "20", "--boot-seconds", "0.3", "--ssh-seconds", "0.1"),
    *("--delete-seconds", "0.1", "--snapshot-seconds", "0.3"),
)
LOGGING = """
[loggers]
keys = root,nodepool,zuul
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = WARNING
handlers = console
[logger_nodepool]
level = DEBUG
qualname = nodepool
handlers =
[logger_zuul]
level = INFO
qualname = zuul
handlers =
[handler_console]
class = StreamHandler
formatter = plain
args = (sys.stdout,)
[formatter_plain]
format = %(asctime)s %(levelname)s %(name)s: %(message)s
"""
_GEARMAN = """
import sys, threading
from zuul.lib.gearman import GearmanServer
server = GearmanServer("127.0.0.1", int(sys.argv[1]))
server.start()
print("listening", flush=True)
threading.Event().wait()
"""


@dataclass(eq=False)
class Build:
    """A build that was submitted, and what came back."""

    job: str
    uuid: str
    data: list[dict[str, Any]] = field(default_factory=list)
    outcome: Outcome | None = None
    result: str | None = None

    def job_created(self, job: ClientJob) -> None: ...
    def job_status(self, job: ClientJob) -> None: ...
    def job_known(self, job: ClientJob, known: bool, running: bool) -> None: ...

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self.data.append(json.loads(data))

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        if outcome is Outcome.COMPLETE and data.startswith(b"{"):
            self.result = json.loads(data).get("result")
        self.outcome = outcome

    @property
    def nodename(self) -> str | None:
        """The node it runs, or ran, on; None before it started."""
        return self.data[0].get("node_name") if self.data else None


class NodepoolSite:
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
        self.folder = folder
        self.jobs = dict(jobs or {"unit": "sleep 1"})
        self.masters = {name: find_free_port() for name in masters}
        self.gearman_port = find_free_port()
        self.zmq_port = find_free_port()
        self.events_port = find_free_port()
        self.web_port = find_free_port()
        self.environment = dict(environment or {})
        self.processes: dict[str, Process] = {}
        self.cloud = CloudProcess(folder / "cloud", *cloud_options)
        self.jenkins: dict[str, JenkinsProcess] = {}
        self.yaml_path = folder / "nodepool.yaml"
        self.secure_path = folder / "secure.conf"
        self.log_path = folder / "logging.conf"
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self.yaml: dict[str, Any] = {}
        self.secure: dict[str, dict[str, str]] = {}
        self._min_ready, self._max_servers = min_ready, max_servers
        self._delete_delay = delete_delay
        self._gearman: GearmanClient | None = None
        self._database: Database | None = None
        self._stack = ExitStack()

    # -- life --------------------------------------------------------------------------------------

    def start(self, *, nodepoold: bool = True) -> NodepoolSite:
        """Returns when all processes run; nodes come by and by."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path.write_text(LOGGING)
        self._stack.callback(self._stop_processes)
        self._start_gearman()
        self._stack.enter_context(self.cloud)
        for name in self.masters:
            self._stack.enter_context(self._master(name))
        self.start_bridge()
        self._settle()
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

    # -- files -------------------------------------------------------------------------------------

    def write_config(self) -> None:
        """nodepool.yaml and secure.conf as they are now; each is replaced in one step."""
        sections = {"database": {"dburi": self.dburi}, **self.secure}
        text = "\n".join(
            f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())
            for name, options in sections.items()
        )
        for path, content in (
            (self.yaml_path, yaml.safe_dump(self.yaml)),
            (self.secure_path, text),
        ):
            new = path.with_suffix(".new")
            new.write_text(content)
            new.chmod(0o600)
            new.replace(path)

    def _settle(self) -> None:
        """What the files say at first."""
        scripts = self.folder / "scripts"
        scripts.mkdir(exist_ok=True)
        key = make_key(self.folder / "id_rsa")
        ssh = "/home/jenkins/.ssh"
        (scripts / "prepare.sh").write_text(
            "#!/bin/sh -e\n"
            f"mkdir -p {ssh}\necho '{key}' > {ssh}/authorized_keys\n"
            "mkdir -p /etc/nodepool\nchmod 0777 /etc/nodepool\n"
        )
        (scripts / "ready.sh").write_text("#!/bin/sh -e\ncat /etc/nodepool/role > /tmp/role\n")
        account = self.cloud.account()
        self.yaml = {
            "script-dir": str(scripts),
            "zmq-publishers": [f"tcp://127.0.0.1:{self.zmq_port}"],
            "event-histories": [f"http://127.0.0.1:{self.events_port}"],
            "gearman-servers": [{"host": "127.0.0.1", "port": self.gearman_port}],
            "labels": [self.label(LABEL, self._min_ready)],
            "providers": [
                {
                    "name": "sandbox",
                    "auth-url": account.auth_url,
                    "username": account.username,
                    "password": account.password,
                    "project-name": account.project_name,
                    "region-name": account.region,
                    "max-servers": self._max_servers,
                    "rate": 0.01,
                    "boot-timeout": 30,
                    "launch-timeout": 60,
                    "images": [
                        {
                            "name": LABEL,
                            "base-image": "base",
                            "min-ram": 512,
                            "setup": "prepare.sh",
                            "private-key": str(self.folder / "id_rsa"),
                        }
                    ],
                }
            ],
            "targets": [
                {"name": name, "rate": 0.01, "delete-delay": self._delete_delay}
                for name in self.masters
            ],
        }
        self.secure = {
            f'jenkins "{name}"': {
                "url": f"http://127.0.0.1:{port}/",
                "user": USER,
                "apikey": TOKEN,
            }
            for name, port in self.masters.items()
        }

    def label(self, name: str, min_ready: int, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "image": LABEL,
            "min-ready": min_ready,
            "ready-script": "ready.sh",
            "providers": [{"name": "sandbox"}],
            **more,
        }

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
        answer = requests.get(url, auth=(USER, TOKEN), timeout=10)
        rows = answer.json()["computer"]
        return {row["displayName"]: row for row in rows if row["displayName"] not in _BUILT_IN}

    def page(self, path: str) -> requests.Response:
        """A page of nodepoold's web server."""
        return requests.get(f"http://127.0.0.1:{self.web_port}{path}", timeout=10)

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
        conf = self.folder / "shim.conf"
        make_folder(self.folder / "shim")
        sections = [
            f"[gearman]\nserver = 127.0.0.1\nport = {self.gearman_port}\n",
            f"[publisher]\nbind = tcp://127.0.0.1:{self.zmq_port}\n"
            f"http_host = 127.0.0.1\nhttp_port = {self.events_port}\n",
            f"[shim]\nstate_dir = {self.folder / 'shim'}\npidfile = {self.folder / 'shim.pid'}\n"
            f"log_config = {self.log_path}\n",
        ]
        sections += [
            f"[master {name}]\nurl = http://127.0.0.1:{port}\nuser = {USER}\napikey = {TOKEN}\n"
            "poll = 0.3\njobs_poll = 1\n"
            for name, port in self.masters.items()
        ]
        conf.write_text("\n".join(sections))
        conf.chmod(0o600)
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


def make_key(path: Path) -> str:
    """A new RSA key pair at `path`; the public half as authorized_keys has it."""
    words = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", str(path)]
    path.unlink(missing_ok=True)
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text().strip()
