"""The SSH side: logins by key, gerrit commands, git fetch and push."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Protocol

import asyncssh

from tests.sandbox import children, gerrit_push
from tests.sandbox.gerrit_commands import Answer, Commands, split_command
from tests.sandbox.gerrit_events import EventStream
from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_git import Repository
from tests.sandbox.gerrit_model import ADMINISTRATORS, SERVICE_USERS, Account
from tests.sandbox.gerrit_packs import (
    ByteReader,
    ByteWriter,
    ProtocolError,
    RefCommand,
    clean_environment,
    receive_pack,
)
from tests.sandbox.gerrit_uploads import Uploads

log = logging.getLogger("sandbox.gerrit.ssh")

WELCOME = """
  ****    Welcome to Gerrit Code Review    ****

  Hi {}, you have successfully connected over SSH.

  Unfortunately, interactive shells are disabled.

"""
#: How often a stalled command looks whether it may go on.
STALL_POLL_SECONDS = 0.05


class Host(Protocol):
    """What the SSH side needs of the server."""

    faults: Faults
    commands: Commands
    uploads: Uploads
    stream: EventStream
    connections: set[asyncssh.SSHServerConnection]

    def account(self, username: str) -> Account | None: ...
    def may_login(self, username: str, key: asyncssh.SSHKey) -> bool: ...
    def find_repository(self, project: str) -> Repository | None: ...


class Logins(asyncssh.SSHServer):
    """Public keys only, each account its own."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._host.may_login(username, key)


class SshSide:
    """Runs commands; one instance a server."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._streams: set[Any] = set()

    async def handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Serve one exec channel."""
        code = 1
        try:
            code = await self._run(process)
        except (ProtocolError, asyncio.IncompleteReadError, UnicodeError) as error:
            log.info("command ended: %s", error)
            process.stderr.write(f"fatal: {error}\n".encode())
        except (TimeoutError, asyncssh.Error, OSError) as error:
            log.info("client gone: %s", error)
        finally:
            with contextlib.suppress(asyncssh.Error, OSError):
                process.exit(code)

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> int:
        username = process.get_extra_info("username")
        account = self._host.account(username)
        if account is None:
            return 1
        words = split_command(process.command or "")
        if not words:
            process.stderr.write(WELCOME.format(account.full_name).encode())
            return 127
        if words[0] in ("git-upload-pack", "git-receive-pack"):
            return await self._git(process, account, words)
        if words[0] != "gerrit" or len(words) < 2:
            process.stderr.write(f"fatal: {words[0]}: not found\n".encode())
            return 1
        if words[1] == "stream-events":
            return await self._stream(process, account)
        answer = await self._answer(words[1], words[2:], account)
        process.stdout.write(answer.stdout.encode("utf-8", "surrogateescape"))
        process.stderr.write(answer.stderr.encode("utf-8", "surrogateescape"))
        await process.stdout.drain()
        return answer.exit_code

    async def _answer(self, verb: str, words: list[str], account: Account) -> Answer:
        commands = self._host.commands
        if verb == "version":
            await self.wait("version")
            return commands.version()
        if verb == "query":
            await self.wait("query")
            return commands.query(words)
        if verb == "review":
            await self.wait("review")
            if commands.wants_submit(words):
                await self.wait("submit")
            return commands.review(words, account)
        return Answer(1, stderr=f"fatal: gerrit: {verb}: not found\n")

    async def wait(self, command: str) -> None:
        """Stall or delay as the faults say."""
        faults = self._host.faults
        while command in faults.stalled:
            await asyncio.sleep(STALL_POLL_SECONDS)
        delay = faults.delays.get(command, 0)
        if delay > 0:
            await asyncio.sleep(delay)

    # -- the event stream ----------------------------------------------------------------------

    async def _stream(self, process: asyncssh.SSHServerProcess[bytes], account: Account) -> int:
        if not {SERVICE_USERS, ADMINISTRATORS} & account.groups:
            process.stderr.write(b"stream events not permitted\n")
            return 1
        await self.wait("stream-events")
        if self._host.faults.stream_refused:
            process.stderr.write(b"fatal: server is shutting down\n")
            return 1
        queue = self._host.stream.listen()
        ended = asyncio.ensure_future(_end_of_input(process))
        try:
            while True:
                getting = asyncio.ensure_future(queue.get())
                await asyncio.wait({getting, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    return 0
                line = getting.result()
                if line is None:
                    return 0
                process.stdout.write(line)
                await process.stdout.drain()
        finally:
            self._host.stream.leave(queue)
            ended.cancel()

    # -- git -----------------------------------------------------------------------------------

    async def _git(
        self, process: asyncssh.SSHServerProcess[bytes], account: Account, words: list[str]
    ) -> int:
        name = words[1].strip("/").removesuffix(".git") if len(words) == 2 else ""
        repository = self._host.find_repository(name)
        if repository is None:
            text = f"fatal: project {name} not found\n"
            process.stderr.write(text.encode("utf-8", "surrogateescape"))
            return 128
        if words[0] == "git-upload-pack":
            return await self._upload(process, repository)

        def receive(commands: list[RefCommand]) -> gerrit_push.PushOutcome:
            return gerrit_push.receive(self._host.uploads, name, account, commands)

        await receive_pack(repository, process.stdin, process.stdout, receive)
        return 0

    async def _upload(
        self, process: asyncssh.SSHServerProcess[bytes], repository: Repository
    ) -> int:
        argv = ("git", "upload-pack", str(repository.path))
        environment = clean_environment(process.env.get("GIT_PROTOCOL"))
        nowhere = asyncio.subprocess.DEVNULL
        async with children.child(*argv, stderr=nowhere, env=environment) as child:
            assert child.stdin is not None and child.stdout is not None
            feeder = asyncio.ensure_future(_copy(process.stdin, child.stdin))
            try:
                await _copy(child.stdout, process.stdout)
                return await child.wait()
            finally:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)


async def _copy(reader: ByteReader, writer: ByteWriter) -> None:
    """Copy until the reader's end, then close the writer if it is a pipe."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if isinstance(writer, asyncio.StreamWriter):
        writer.close()


async def _end_of_input(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Wait until the channel is closed; a client that only closes its input goes on hearing."""
    await process.wait_closed()
