"""Agents over SSH: the master logs into nodes made with the SSH launcher, and builds on them.

What the plugin ssh-slaves does with an agent in Java is done with a shell here: a build is one
command on the node, in a workspace there. Keys are files of this machine; host keys are trusted.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncssh

from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Node

log = logging.getLogger("sandbox.jenkins.agents")

#: of one login, and between two
LOGIN_SECONDS = 10.0
PAUSE_SECONDS = 0.3
#: a node that went is noticed so soon
KEEPALIVE_SECONDS = 2.0


class AgentLost(OSError):
    """The connection to a node ended in the middle of a build."""


class Agents:
    """One instance a master; everything on its loop."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}
        master.node_came = self.keep
        master.node_went = self.drop

    def keep(self, node: Node) -> None:
        """Stay logged in for as long as the node is the master's."""
        if node.login is not None and node.name not in self._tasks:
            node.connected = False
            task = asyncio.get_running_loop().create_task(self._stay(node))
            self._tasks[node.name] = task

    def drop(self, node: Node) -> None:
        task = self._tasks.pop(node.name, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stay(self, node: Node) -> None:
        while True:
            try:
                await self._log_in(node)
            except (OSError, asyncssh.Error, TimeoutError) as error:
                log.info("no agent on %s: %s", node.name, error)
            if node.connected:
                self._master.disconnect(node)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _log_in(self, node: Node) -> None:
        """Until the connection ends."""
        assert node.login is not None
        # Not wait_for: Python 3.11's may swallow the cancellation of who waits.
        async with asyncio.timeout(LOGIN_SECONDS):
            connection = await asyncssh.connect(
                node.login.host,
                node.login.port,
                username=node.login.username,
                client_keys=[node.login.key_file],
                known_hosts=None,
                agent_path=None,
                config=None,
                keepalive_interval=KEEPALIVE_SECONDS,
            )
        try:
            self._connections[node.name] = connection
            node.connected = True
            self._master.poke()
            await connection.wait_closed()
        finally:
            self._connections.pop(node.name, None)
            connection.abort()

    async def execute(
        self, node: Node, build: Build, script: str, environment: Mapping[str, str], output: Path
    ) -> int:
        """A shell step's exit code. Raises AgentLost. Cancelled, it ends what it started."""
        assert node.login is not None
        connection = self._connections.get(node.name)
        if connection is None:
            raise AgentLost(f"{node.name} is not connected")
        workspace = f"{node.login.home}/workspace/{quote(build.job, safe='')}"
        command = _command(workspace, {**environment, "WORKSPACE": workspace})
        try:
            async with connection.create_process(command, encoding=None) as process:
                process.stdin.write(script.encode())
                process.stdin.write_eof()
                with output.open("ab") as log_file:
                    while data := await process.stdout.read(65_536):
                        log_file.write(data)
                        log_file.flush()
                await process.wait_closed()
        except asyncssh.Error as error:
            raise AgentLost(f"{node.name}: {error}") from error
        if process.exit_status is None:
            raise AgentLost(f"{node.name} went away")
        return process.exit_status


def _command(workspace: str, environment: Mapping[str, str]) -> str:
    """Takes the script from its input."""
    where = shlex.quote(workspace)
    words = [f"{name}={value}" for name, value in environment.items()]
    run = shlex.join(["env", *words, "/bin/sh", "-xe", ".step.sh"])
    # One stream, so that a trace and what it is about stay in order.
    return f"mkdir -p {where} && cd {where} && cat > .step.sh && exec {run} < /dev/null 2>&1"
