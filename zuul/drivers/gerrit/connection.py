"""SSH to one Gerrit: commands and the event stream. The only file that knows paramiko.

An SshConnection belongs to one thread. Only `close` may be called from another.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import paramiko

from zuul.drivers.gerrit.commandline import STREAM_EVENTS, VERSION
from zuul.drivers.gerrit.hostkeys import (
    SshConfig,
    explain_changed_key,
    explain_unknown_key,
    known_hosts_path,
)
from zuul.drivers.gerrit.stream import LineBuffer
from zuul.errors import ConnectionLost, HostKeyRejected

log = logging.getLogger("zuul.GerritConnection")

CONNECT_SECONDS = 15.0
CHANNEL_SECONDS = 15.0
COMMAND_SECONDS = 60.0
#: longer outputs are cut off, with an error: nothing Gerrit tells us is that big
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
#: how long a read of the stream waits before it looks whether to stop
STREAM_POLL_SECONDS = 0.5
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended; texts are UTF-8, broken bytes replaced."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def reason(self) -> str:
        """The first line of stderr that says something, for a log or a report."""
        lines = (line.strip() for line in self.stderr.splitlines())
        return next((line[:300] for line in lines if line), f"exit status {self.exit_code}")


class CommandInterrupted(ConnectionLost):
    """The connection broke after the command was sent: it may or may not have been done."""


class CommandRunner(Protocol):
    """Runs one command on the calling thread's own connection."""

    def __call__(
        self, command: str, *, timeout_seconds: float = ..., idempotent: bool = ...
    ) -> CommandResult: ...


class SshConnection:
    """One login, made when first needed and made anew when it broke."""

    def __init__(self, config: SshConfig) -> None:
        self._config = config
        self._client: paramiko.SSHClient | None = None
        self._closed = False

    def run(
        self, command: str, *, timeout_seconds: float = COMMAND_SECONDS, idempotent: bool = False
    ) -> CommandResult:
        """Run a command to its end.

        One that could not be opened, or is `idempotent` and broke off, is tried once more on a new
        connection. Raises ConnectionLost if nothing was sent, CommandInterrupted if it was sent,
        HostKeyRejected.
        """
        try:
            return self._run(command, timeout_seconds)
        except CommandInterrupted:
            if not idempotent or self._closed:
                raise
        except ConnectionLost:
            if self._closed:
                raise
        return self._run(command, timeout_seconds)

    def read_stream(self, stopping: threading.Event) -> Iterator[list[bytes]]:
        """Lines of the event stream as they come; an empty list now and then while none do.

        Ends when `stopping` is set; raises ConnectionLost when the stream ends otherwise. The first
        list comes once the server has taken the command.
        """
        channel = self._open(STREAM_EVENTS)
        buffer = LineBuffer()
        yield []
        oversized = 0
        try:
            channel.settimeout(STREAM_POLL_SECONDS)
            while not stopping.is_set():
                try:
                    data = channel.recv(_READ_BYTES)
                except TimeoutError:
                    yield []
                    continue
                if not data:
                    raise self._lost(f"the event stream ended: {_read_stderr(channel)}")
                yield buffer.feed(data)
                if buffer.oversized > oversized:
                    oversized = buffer.oversized
                    log.error(
                        "A line of the event stream was too long and is lost connection=%s",
                        self._config.name,
                    )
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(f"the event stream broke: {error}") from error
        finally:
            channel.close()

    def probe(self, timeout_seconds: float) -> None:
        """Ask the server for a sign of life on the connection as it is. Raises ConnectionLost."""
        self._run(VERSION, timeout_seconds)

    def close(self) -> None:
        """For good; any thread."""
        self._closed = True
        self._drop()

    # -- one attempt ---------------------------------------------------------------------------

    def _run(self, command: str, timeout_seconds: float) -> CommandResult:
        deadline = time.monotonic() + timeout_seconds
        channel = self._open(command)
        try:
            return _collect(channel, deadline)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._drop()
            what = "timed out" if isinstance(error, TimeoutError) else f"broke off: {error}"
            raise CommandInterrupted(
                f"{_name(command)} {what}", connection=self._config.name
            ) from error
        finally:
            channel.close()

    def _open(self, command: str) -> paramiko.Channel:
        """A channel on which the server has accepted `command`."""
        client = self._connect()
        transport = client.get_transport()
        if transport is None:
            self._drop()
            raise self._lost("the connection was closed")
        try:
            channel = transport.open_session(timeout=CHANNEL_SECONDS)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._drop()
            raise self._lost(f"no channel for {_name(command)}: {error}") from error
        try:
            channel.settimeout(CHANNEL_SECONDS)
            channel.exec_command(command.encode())
        except (OSError, EOFError, paramiko.SSHException) as error:
            channel.close()
            self._drop()
            raise CommandInterrupted(
                f"{_name(command)} broke off: {error}", connection=self._config.name
            ) from error
        return channel

    def _connect(self) -> paramiko.SSHClient:
        self._check_open()
        if self._client is not None:
            transport = self._client.get_transport()
            if transport is not None and transport.is_active():
                return self._client
            self._drop()
        self._client = client = connect(self._config)
        self._check_open()
        return client

    def _check_open(self) -> None:
        # `close` may come from another thread at any moment.
        if self._closed:
            self._drop()
            raise self._lost("the connection is closed")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _lost(self, text: str) -> ConnectionLost:
        return ConnectionLost(text, connection=self._config.name)


class ThreadConnections:
    """A connection for every thread that asks; closed all together."""

    def __init__(self, config: SshConfig) -> None:
        self._config = config
        self._local = threading.local()
        self._all: list[SshConnection] = []
        self._closed = False

    def run(
        self, command: str, *, timeout_seconds: float = COMMAND_SECONDS, idempotent: bool = False
    ) -> CommandResult:
        connection: SshConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = SshConnection(self._config)
            self._local.connection = connection
            self._all.append(connection)
        if self._closed:
            connection.close()
        return connection.run(command, timeout_seconds=timeout_seconds, idempotent=idempotent)

    def close(self) -> None:
        self._closed = True
        for connection in list(self._all):
            connection.close()


# -- connecting --------------------------------------------------------------------------------


def connect(config: SshConfig) -> paramiko.SSHClient:
    """Log in. Raises HostKeyRejected, ConnectionLost."""
    client = paramiko.SSHClient()
    rejection = _RejectUnknown(config)
    client.set_missing_host_key_policy(rejection)
    try:
        _load_known_hosts(client, config)
        sock = socket.create_connection((config.server, config.port), CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(
            config.server,
            config.port,
            config.user,
            key_filename=None if config.sshkey is None else str(config.sshkey),
            timeout=CONNECT_SECONDS,
            banner_timeout=CONNECT_SECONDS,
            auth_timeout=CONNECT_SECONDS,
            channel_timeout=CHANNEL_SECONDS,
            allow_agent=config.sshkey is None,
            look_for_keys=config.sshkey is None,
            sock=sock,
        )
    except HostKeyRejected:
        client.close()
        raise
    except paramiko.BadHostKeyException as error:
        client.close()
        raise HostKeyRejected(
            explain_changed_key(config, _describe(error.key), _describe(error.expected_key)),
            connection=config.name,
        ) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        client.close()
        raise ConnectionLost(
            f"cannot log in to {config.user}@{config.server}:{config.port}: {error}",
            connection=config.name,
        ) from error
    transport = client.get_transport()
    if transport is not None and config.keepalive > 0:
        transport.set_keepalive(config.keepalive)
    log.debug("Connected connection=%s server=%s:%s", config.name, config.server, config.port)
    return client


def _load_known_hosts(client: paramiko.SSHClient, config: SshConfig) -> None:
    path = known_hosts_path(config)
    try:
        client.load_system_host_keys(str(path))
    except FileNotFoundError:
        # Then no key is known, and the rejection tells how to make the file.
        return
    except (OSError, paramiko.SSHException) as error:
        raise HostKeyRejected(f"cannot read {path}: {error}", connection=config.name) from error


class _RejectUnknown(paramiko.MissingHostKeyPolicy):
    """Refuses, and says what a person has to do."""

    def __init__(self, config: SshConfig) -> None:
        self._config = config

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        raise HostKeyRejected(
            explain_unknown_key(self._config, _describe(key)), connection=self._config.name
        )


def _describe(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


# -- channels ----------------------------------------------------------------------------------


def _collect(channel: paramiko.Channel, deadline: float) -> CommandResult:
    stdout = _read_all(channel, channel.recv, deadline)
    stderr = _read_all(channel, channel.recv_stderr, deadline)
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    if channel.exit_status == -1:
        raise EOFError("the server closed the channel without an exit status")
    return CommandResult(channel.exit_status, _decode(stdout), _decode(stderr))


def _read_all(
    channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: float
) -> list[bytes]:
    parts: list[bytes] = []
    size = 0
    while True:
        channel.settimeout(max(0.01, deadline - time.monotonic()))
        data = receive(_READ_BYTES)
        if not data:
            return parts
        parts.append(data)
        size += len(data)
        if size > MAX_OUTPUT_BYTES:
            raise OSError(f"the answer is over {MAX_OUTPUT_BYTES} bytes")


def _read_stderr(channel: paramiko.Channel) -> str:
    with contextlib.suppress(OSError, EOFError):
        channel.settimeout(1.0)
        text = channel.recv_stderr(2000).decode("utf-8", "replace").strip()
        if text:
            return text
    return "the server closed it"


def _decode(parts: list[bytes]) -> str:
    return b"".join(parts).decode("utf-8", "replace")


def _name(command: str) -> str:
    return " ".join(command.split(" ", 2)[:2])
