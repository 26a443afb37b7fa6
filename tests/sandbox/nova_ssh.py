"""SSH into a sandbox server: who may log in, commands, files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncssh

from tests.sandbox import children, nova_guest
from tests.sandbox.nova_model import Server

log = logging.getLogger("sandbox.nova.ssh")

#: What a command's children may still say once it has ended itself.
LAST_WORDS_SECONDS = 0.5


class Machine(Protocol):
    """What the SSH side needs of the cloud."""

    wrappers: Path
    shared: tuple[Path, ...]

    async def root_of(self, server: Server) -> Path: ...
    def folder_of(self, server: Server) -> Path: ...
    def note_process(self, server: Server) -> None: ...


class Logins(asyncssh.SSHServer):
    """Keys in the account's own authorized_keys, or root's password as nova gave it."""

    def __init__(
        self, side: SshSide, server: Server, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._side = side
        self._server = server
        self._connections = connections
        self._root: Path | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    async def begin_auth(self, username: str) -> bool:
        self._root = await self._side.machine.root_of(self._server)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if self._server.trouble.ssh == "denied" or self._root is None:
            return False
        if not nova_guest.has_home(self._root, username):
            return False
        wanted = key.export_public_key().split()[:2]
        lines = nova_guest.authorized_keys(self._root, username).encode().splitlines()
        return any(wanted == line.split()[:2] for line in lines)

    def validate_password(self, username: str, password: str) -> bool:
        known = username == "root" and self._server.trouble.ssh != "denied"
        return known and password == self._server.admin_pass


class SshSide:
    """Runs commands and serves files; one instance a cloud."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def process_factory(
        self, server: Server
    ) -> Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]:
        async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
            code = 255
            try:
                code = await self._run(server, process)
            except (asyncssh.Error, OSError) as error:
                log.info("command on %s ended: %s", server.name, error)
            finally:
                with contextlib.suppress(asyncssh.Error, OSError):
                    process.exit(code)

        return run

    def sftp_factory(self, server: Server) -> Callable[[Any], asyncssh.SFTPServer]:
        def make(channel: Any) -> asyncssh.SFTPServer:
            username = channel.get_extra_info("username")
            return Files(channel, self.machine, server, nova_guest.home_of(username))

        return make

    async def _run(self, server: Server, process: asyncssh.SSHServerProcess[bytes]) -> int:
        username = process.get_extra_info("username")
        merged = process.get_terminal_type() is not None
        stderr = asyncio.subprocess.STDOUT if merged else asyncio.subprocess.PIPE
        async with self.start(server, username, process.command or "", stderr=stderr) as child:
            assert child.stdin is not None and child.stdout is not None
            readers = [asyncio.ensure_future(_copy(child.stdout, process.stdout))]
            if child.stderr is not None:
                readers.append(asyncio.ensure_future(_copy(child.stderr, process.stderr)))
            feeder = asyncio.ensure_future(_feed(process.stdin, child.stdin))
            try:
                code = await child.wait()
                await asyncio.wait(readers, timeout=LAST_WORDS_SECONDS)
                return code if code >= 0 else 128 - code
            finally:
                for task in (feeder, *readers):
                    task.cancel()
                await asyncio.gather(feeder, *readers, return_exceptions=True)

    @asynccontextmanager
    async def start(
        self,
        server: Server,
        username: str,
        command: str,
        *,
        stdout: int = asyncio.subprocess.PIPE,
        stderr: int = asyncio.subprocess.PIPE,
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A shell command inside the server, its input a pipe; killed on leaving."""
        root = await self.machine.root_of(server)
        machine = self.machine
        machine.note_process(server)
        argv = nova_guest.command_argv(
            root, machine.wrappers, server.name, username, command, machine.shared
        )
        environment = nova_guest.environment(server.id, username, {})
        async with children.child(
            *argv, stdout=stdout, stderr=stderr, env=environment, start_new_session=True
        ) as process:
            yield process


class Files(asyncssh.SFTPServer):
    """The server's folder as its root; relative paths start at the account's home."""

    def __init__(self, channel: Any, machine: Machine, server: Server, home: str) -> None:
        self._home = home.encode()
        super().__init__(channel, chroot=str(machine.folder_of(server)).encode())

    def map_path(self, path: bytes) -> bytes:
        return super().map_path(posixpath.join(self._home, path))

    def realpath(self, path: bytes) -> bytes:
        return posixpath.normpath(posixpath.join(self._home, path))


async def _copy(reader: Any, writer: Any) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


async def _feed(reader: Any, writer: asyncio.StreamWriter) -> None:
    await _copy(reader, writer)
    with contextlib.suppress(OSError):
        writer.close()
