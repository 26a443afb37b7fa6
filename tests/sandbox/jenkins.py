"""A Jenkins for tests and the demo: its REST API on loopback, executors that run shell steps.

The server runs on a thread and event loop of its own; the methods of SandboxJenkins may be called
from any other thread. What it knows is in files below its folder, so that it may be stopped,
killed and started again on the same port. As a program, which may be killed for real:
`python -m tests.sandbox.jenkins --dir D [--port N] [--setup FILE] [--old]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import threading
from pathlib import Path
from typing import Self

import yaml
from aiohttp import web

from tests.sandbox.hosting import HOST, Hosted, bound
from tests.sandbox.jenkins_agents import Agents
from tests.sandbox.jenkins_deeds import Deeds
from tests.sandbox.jenkins_faults import Faults, RequestLog
from tests.sandbox.jenkins_gate import Gate, User
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_people import People
from tests.sandbox.jenkins_rest import RestSide
from tests.sandbox.jenkins_rows import Rows
from tests.sandbox.jenkins_runner import Runner
from tests.sandbox.jenkins_store import Store

#: what a Hudson says in its `url` fields as long as nobody told it better
UNCONFIGURED_URL = "http://localhost:8080/"


class SandboxJenkins(Hosted, People):
    """One master. start(), stop(), kill(), any number of times, or a `with` block; `url` ends
    with a slash. `users` maps names to (password, API token); None is open to all. `modern=False`
    makes it a Hudson 2.2.1. `root_url` is what it believes its own address to be."""

    def __init__(
        self,
        folder: Path,
        *,
        modern: bool = True,
        port: int = 0,
        users: dict[str, tuple[str, str]] | None = None,
        crumbs: bool | None = None,
        quiet_seconds: float = 5.0,
        executors: int = 2,
        persistent: bool = True,
        root_url: str | None = None,
        agents: bool = False,
    ) -> None:
        """`agents`: nodes with an SSH launcher are logged into and built on; without, every node
        is this machine and always connected."""
        super().__init__("sandbox.jenkins")
        self.folder = folder
        self.modern = modern
        self.faults = Faults()
        self.requests = RequestLog()
        self.port = port
        #: how long a restart that was asked for over REST takes
        self.restart_seconds = 1.0
        known = None if users is None else {name: User(*words) for name, words in users.items()}
        self.gate = Gate(known, crumbs=modern if crumbs is None else crumbs, modern=modern)
        self._quiet_seconds = quiet_seconds
        self._executors = executors
        self._persistent = persistent
        self._root_url = root_url
        self._with_agents = agents
        self._agents: Agents | None = None
        self._available = False
        self._parts: tuple[Master, Rows, Deeds]
        self._killed = False
        self._restart: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def available(self) -> bool:
        return self._available

    @property
    def parts(self) -> tuple[Master, Rows, Deeds]:
        return self._parts

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; on the same port as before, if it was started before. A stop is a clean one:
        running builds are aborted, the queue is kept."""
        self._killed = False
        return super().start()

    def kill(self) -> None:
        """As kill -9: connections are cut, builds die unrecorded, the queue is forgotten."""
        self._killed = True
        self.stop()

    async def _serve(self) -> None:
        sock = bound(self.port)
        self.port = sock.getsockname()[1]
        self._load()
        runner = web.AppRunner(
            RestSide(self).application(),
            access_log=None,
            shutdown_timeout=0.2,
            keepalive_timeout=30,
        )
        await runner.setup()
        await web.SockSite(runner, sock, backlog=1024).start()
        self._available = True
        self._is_up()
        await self._stopping.wait()
        self._available = False
        if self._restart is not None:
            self._restart.cancel()
        master = self._parts[0]
        await (master.die() if self._killed else master.shut_down())
        await self._close_agents()
        await runner.cleanup()

    def _load(self) -> None:
        store = Store(self.folder, persistent=self._persistent, modern=self.modern)
        master = Master(store, self.faults, modern=self.modern, quiet_seconds=self._quiet_seconds)
        url = self._root_url or (self.url if self.modern else UNCONFIGURED_URL)
        self._agents = Agents(master) if self._with_agents else None
        Runner(master, url, self._agents)
        master.load(self._executors)
        self._parts = (master, Rows(master, url), Deeds(master))

    async def _close_agents(self) -> None:
        if self._agents is not None:
            await self._agents.close()

    # -- deeds that are not REST alone -----------------------------------------------------------

    def restart_soon(self, *, safe: bool) -> None:
        """On the loop: go down and come back; `safe` waits for running builds."""
        if self._restart is None or self._restart.done():
            self._restart = asyncio.get_running_loop().create_task(self._restarted(safe))

    async def _restarted(self, safe: bool) -> None:
        master = self._parts[0]
        master.quieting = True
        while safe and any(job.running for job in master.jobs.values()):
            await asyncio.sleep(0.05)
        self._available = False
        await master.shut_down()
        await self._close_agents()
        await asyncio.sleep(self.restart_seconds)
        self._load()
        self._available = True

    def change_password(self, name: str, password: str, token: str) -> None:
        """From now on only these let the user in."""
        assert self.gate.users is not None
        self.gate.users[name] = User(password, token)

    def expire_crumbs(self) -> None:
        self.call(self.gate.expire_crumbs)


def set_up(jenkins: SandboxJenkins, text: str) -> None:
    """Jobs and nodes from YAML: `jobs: {NAME: SCRIPT or {script, labels, ...}}`,
    `nodes: {NAME: {labels, executors, mode}}`, with the words of add_job and add_node."""
    wanted = yaml.safe_load(text) or {}
    for name, row in (wanted.get("nodes") or {}).items():
        jenkins.add_node(name, **(row or {}))
    for name, row in (wanted.get("jobs") or {}).items():
        jenkins.add_job(name, **(row if isinstance(row, dict) else {"script": row or "true"}))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, required=True, help="jobs, logs, workspaces")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--setup", type=Path, help="YAML of jobs and nodes to have")
    parser.add_argument("--old", action="store_true", help="behave as Hudson 2.2.1")
    parser.add_argument("--user", default="", help="NAME:PASSWORD:TOKEN; without it, open to all")
    parser.add_argument("--executors", type=int, default=2, help="of the master's own node")
    parser.add_argument("--quiet-seconds", type=float, default=5.0)
    parser.add_argument("--agents", action="store_true", help="build on nodes over SSH")
    options = parser.parse_args(arguments)
    name, _, words = options.user.partition(":")
    password, _, token = words.partition(":")
    jenkins = SandboxJenkins(
        options.dir,
        modern=not options.old,
        port=options.port,
        users={name: (password, token)} if name else None,
        quiet_seconds=options.quiet_seconds,
        executors=options.executors,
        agents=options.agents,
    )
    with jenkins:
        if options.setup is not None:
            set_up(jenkins, options.setup.read_text(encoding="utf-8"))
        print(json.dumps({"url": jenkins.url, "port": jenkins.port}), flush=True)
        # Also where it was started from a shell's background, which ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
