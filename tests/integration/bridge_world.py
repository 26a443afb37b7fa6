"""A Gearman server, sandbox masters and the bridge between them, looked at from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gearman_plugin_shim.config import parse_config
from gearman_plugin_shim.daemon import Daemon
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.waiting import WAIT_SECONDS, eventually
from zuul.lib.gearman import AdminClient, ClientJob, GearmanClient, GearmanServer, Outcome, Priority


class Heard:
    """A build's submission and all that came back."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.statuses = 0
        self.outcome: Outcome | None = None
        self.end: dict[str, Any] = {}
        self.text = b""

    def job_created(self, job: ClientJob) -> None: ...
    def job_known(self, job: ClientJob, known: bool, running: bool) -> None: ...

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self.data.append(json.loads(data))

    def job_status(self, job: ClientJob) -> None:
        self.statuses += 1

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.text = data
        if outcome is Outcome.COMPLETE and data.startswith(b"{"):
            self.end = json.loads(data)
        self.outcome = outcome

    def started(self, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The start data."""
        return eventually(lambda: self.data, "start of the build", seconds)[0]

    def ended(self, seconds: float = WAIT_SECONDS) -> Any:
        """The outcome; where it is COMPLETE the result."""
        eventually(lambda: self.outcome, "end of the build", seconds)
        return self.end.get("result") if self.outcome is Outcome.COMPLETE else self.outcome


class World:
    """Everything, started as needed; `close` ends it all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = GearmanServer(port=0)
        self.server.start()
        self.client = GearmanClient("test", "127.0.0.1", self.server.port)
        self.admin = AdminClient("127.0.0.1", self.server.port)
        self.masters: dict[str, SandboxJenkins] = {}
        self.options: dict[str, str] = {}
        self.http_port = 0
        self.daemon: Daemon | None = None

    def add_master(self, name: str, *, modern: bool = True, options: str = "", **more: Any) -> Any:
        folder = self.folder / name
        folder.mkdir()
        users = {"zuul": ("password", "api-token")}
        more = {"users": users, "quiet_seconds": 0.0, **more}
        master = SandboxJenkins(folder, modern=modern, **more)
        master.start()
        self.masters[name] = master
        credentials = "user = zuul\napikey = api-token\n"
        self.options[name] = f"poll = 0.2\njobs_poll = 0.5\n{credentials}{options}"
        return master

    def text(self) -> str:
        """shim.conf."""
        sections = [
            f"[master {name}]\nurl = {master.url}\n{self.options[name]}"
            for name, master in self.masters.items()
        ]
        return (
            f"[gearman]\nserver = 127.0.0.1\nport = {self.server.port}\n"
            "[publisher]\nbind = tcp://127.0.0.1:*\n"
            f"http_host = 127.0.0.1\nhttp_port = {self.http_port}\n"
            f"[shim]\nstate_dir = {self.folder / 'state'}\npidfile = {self.folder / 'shim.pid'}\n"
            + "\n".join(sections)
        )

    def start(self) -> Daemon:
        self.daemon = Daemon(parse_config(self.text(), "shim.conf"))
        self.daemon.start()
        return self.daemon

    def stop(self) -> None:
        if self.daemon is not None:
            daemon, self.daemon = self.daemon, None
            daemon.stop()
            assert not daemon.has_failed

    def close(self) -> None:
        self.stop()
        self.admin.close()
        self.client.close()
        self.server.stop()
        for master in self.masters.values():
            master.stop()

    def functions(self) -> set[str]:
        """What is registered now."""
        return {name for name, each in self.admin.status().items() if each.workers}

    def workers(self, name: str) -> int:
        """Connections that can do it now."""
        found = self.admin.status().get(name)
        return found.workers if found else 0

    def await_function(self, name: str, seconds: float = WAIT_SECONDS) -> None:
        eventually(lambda: name in self.functions(), f"registration of {name}", seconds)

    def submit(
        self, function: str, uuid: str = "", arguments: dict[str, Any] | None = None
    ) -> Heard:
        """A build, or a management job."""
        heard = Heard()
        found = {"ZUUL_UUID": uuid} if uuid else {}
        text = json.dumps({**found, **(arguments or {})}).encode()
        self.client.submit(function, text, heard, unique=uuid, priority=Priority.NORMAL)
        return heard
