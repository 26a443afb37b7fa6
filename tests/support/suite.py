"""The whole suite as processes around a Gerrit, sandbox or real: as operators run it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.sandbox.endpoint import GerritEndpoint
from tests.support.log_config import log_config
from tests.support.processes import REST_SECONDS, Process, find_free_port, wait_for
from zuul.lib.modes import make_folder
from zuul.lib.tls import TlsFiles, client_context

ZUUL_USER = "zuul"


class Suite:
    """zuul-server, mergers with their git daemons, and workers."""

    def __init__(
        self,
        folder: Path,
        endpoint: GerritEndpoint,
        layout: str,
        jobs: Mapping[str, Sequence[str]],
        *,
        mergers: int = 2,
        workers: int = 2,
        gearman_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        issue: Callable[[str], TlsFiles] | None = None,
        acl: str = "",
        connections: str = "",
    ) -> None:
        """`gearman_port`: of a server that runs already; None: zuul-server starts its own.
        `connections`: of zuul.conf, besides Gerrit's.

        `issue`: papers for `gearman`, `zuul`, `merger`, `worker` and `watcher`, who looks at the
        server's status; then `acl` is what each may do.
        """
        self.folder = folder
        self.endpoint = endpoint
        self._jobs = jobs
        self._mergers = mergers
        self._workers = workers
        self._own_gearman = gearman_port is None
        self.gearman_port = gearman_port or find_free_port()
        self.web_port = find_free_port()
        self.layout_path = folder / "layout.yaml"
        self.conf_path = folder / "zuul.conf"
        self.environment = dict(environment or {})
        self._issue = issue
        self._acl = acl
        self._connections = connections
        self.processes: dict[str, Process] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.layout_path.write_text(layout)
        self.acl_path = folder / "acl.ini"
        self.log_config = folder / "logging.conf"
        self.log_config.write_text(log_config(zuul="DEBUG", gerrit="DEBUG", nodepool="INFO"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def start(self) -> None:
        """Start everything, and wait until the gate answers, hears Gerrit and can merge."""
        self.start_server()
        for number in range(1, self._mergers + 1):
            self.start_merger(number)
        (self.folder / "jobs.yaml").write_text(
            yaml.safe_dump({name: list(argv) for name, argv in self._jobs.items()})
        )
        for number in range(1, self._workers + 1):
            self.start_worker(number)
        self.wait_until_ready()
        # What happens before is not heard: nobody says where a first start would catch up from.
        self.processes["zuul-server"].wait_for_words("Listening to the event stream", 60)

    def start_server(self) -> Process:
        self.conf_path.write_text(self._server_conf())
        self.conf_path.chmod(0o600)
        return self.start_program(
            "zuul-server", "-m", "zuul.cmd.server", "-c", self.conf_path, "-d"
        )

    def start_merger(self, number: int) -> Process:
        git_dir = self.folder / f"merger-{number}" / "git"
        make_folder(git_dir)
        port = find_free_port()
        conf = self.folder / f"merger-{number}.conf"
        conf.write_text(self._merger_conf(git_dir, port))
        conf.chmod(0o600)
        self.processes[f"git-daemon-{number}"] = Process.start(
            f"git-daemon-{number}",
            [
                "git",
                "daemon",
                "--export-all",
                "--reuseaddr",
                "--listen=127.0.0.1",
                f"--port={port}",
                f"--base-path={git_dir}",
                str(git_dir),
            ],
            self.folder / "logs",
        )
        return self.start_program(
            f"zuul-merger-{number}", "-m", "zuul.cmd.merger", "-c", conf, "-d"
        )

    def start_worker(self, number: int) -> Process:
        papers = self._issue("worker") if self._issue else None
        return self.start_program(
            f"worker-{number}",
            "-m",
            "tests.sandbox.worker",
            *(("--tls", papers.ca, papers.certificate, papers.key) if papers else ()),
            "--gearman",
            f"127.0.0.1:{self.gearman_port}",
            "--jobs",
            self.folder / "jobs.yaml",
            "--workspace",
            self.folder / f"worker-{number}",
            "--git-base",
            self.endpoint.http_url,
        )

    def wait_until_ready(self) -> None:
        wanted = [f"build:{name}" for name in self._jobs if self._workers]
        wanted += ["merger:merge"] if self._mergers else []
        self.wait_for_functions(wanted)

    def wait_for_functions(self, wanted: Sequence[str]) -> None:
        """Until somebody serves all of these, and the gate has its layout."""

        def ready() -> bool:
            for process in list(self.processes.values()):
                if process.popen.poll() is not None:
                    raise AssertionError(f"{process.name} ended\n{process.log()}")
            workers = self.gearman_workers()
            try:
                loaded = "last_reconfigured" in self.status()
            except requests.RequestException:
                return False
            return loaded and all(workers.get(name, 0) > 0 for name in wanted)

        wait_for(ready, "suite that is ready", 60, self.logs)

    def gearman_workers(self) -> dict[str, int]:
        """Number of workers by function, as the Gearman server tells it; {} if it does not."""
        from tests.support.gearman_admin import ask_status

        context = None
        if self._issue is not None:
            context = client_context(self._issue("watcher"), check_hostname=True)
        return ask_status(self.gearman_port, context=context)

    def status(self) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/status.json", timeout=REST_SECONDS)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def items(self, pipeline: str) -> list[dict[str, Any]]:
        """All items of a pipeline, front first."""
        return [
            item
            for found in self.status()["pipelines"]
            if found["name"] == pipeline
            for queue in found["change_queues"]
            for head in queue["heads"]
            for item in head
        ]

    def is_idle(self) -> bool:
        return not any(self.items(p["name"]) for p in self.status()["pipelines"])

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n{p.log()}" for p in self.processes.values())

    def start_program(self, name: str, *arguments: object) -> Process:
        """A Python program beside the suite, stopped with it."""
        command = [sys.executable, *map(str, arguments)]
        process = Process.start(name, command, self.folder / "logs", self.environment)
        self.processes[name] = process
        return process

    def _connection(self) -> str:
        identity = self.endpoint.identity(ZUUL_USER)
        return f"""
[connection gerrit]
driver = gerrit
server = {self.endpoint.host}
port = {self.endpoint.ssh_port}
user = {ZUUL_USER}
sshkey = {identity.key_file}
known_hosts = {self.endpoint.known_hosts}
baseurl = {self.endpoint.http_url}
password = {identity.http_password.replace("%", "%%")}
"""

    def _papers(self, name: str) -> str:
        if self._issue is None:
            return ""
        files = self._issue(name)
        return f"ssl_ca={files.ca}\nssl_cert={files.certificate}\nssl_key={files.key}\n"

    def _acl_option(self) -> str:
        if not self._acl:
            return ""
        self.acl_path.write_text(self._acl)
        self.acl_path.chmod(0o600)
        return f"acl={self.acl_path}\n"

    def _server_conf(self) -> str:
        return f"""
[gearman]
server = 127.0.0.1
port = {self.gearman_port}
{self._papers("zuul")}
[gearman_server]
start = {"true" if self._own_gearman else "false"}
listen_address = 127.0.0.1
{self._papers("gearman")}{self._acl_option()}

[webapp]
listen_address = 127.0.0.1
port = {self.web_port}

[zuul]
layout_config = {self.layout_path}
log_config = {self.log_config}
state_dir = {self.folder / "state"}
pidfile = {self.folder / "zuul.pid"}
status_url = {self.url}/
{self._connections}
""" + self._connection()

    def _merger_conf(self, git_dir: Path, port: int) -> str:
        return f"""
[gearman]
server = 127.0.0.1
port = {self.gearman_port}
{self._papers("merger")}
[merger]
git_dir = {git_dir}
log_config = {self.log_config}
git_user_email = zuul@example.com
git_user_name = Zuul
zuul_url = git://127.0.0.1:{port}
pidfile = {git_dir.parent / "merger.pid"}
""" + self._connection()

    def change(self, number: int, patchset: int = 1) -> list[dict[str, Any]]:
        """What /status/change/N,P answers."""
        answer = requests.get(f"{self.url}/status/change/{number},{patchset}", timeout=REST_SECONDS)
        answer.raise_for_status()
        found: list[dict[str, Any]] = json.loads(answer.text)
        return found
