"""Session: one SSH login. Every wait ends; what a command is given or says is not logged here."""

from __future__ import annotations

import functools
import io
import os
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import paramiko

from nodepool.drivers.ssh_hosts import HostKeyMismatch, HostKeys
from nodepool.errors import LaunchError
from nodepool.model import MachineKey

#: seconds for the TCP connection, the banner, and the login, each; and for files, beside what the
#: slowest network takes for so many bytes, at bytes a second
LOGIN_SECONDS, FILE_SECONDS, SLOWEST = 10.0, 60.0, 50_000.0
#: characters of a command's output that are kept: the last ones
MOST_OUTPUT = 8192
#: a line that is longer goes out in pieces
MOST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Login:
    """How one gets into a machine."""

    key: MachineKey
    address: str
    username: str
    #: a path, or the key itself
    private_key: str
    #: one of them must be shown; empty: it is the first contact
    host_keys: tuple[str, ...] = ()
    port: int = 22


class _Pinned(paramiko.MissingHostKeyPolicy):
    def __init__(self, hosts: HostKeys, login: Login) -> None:
        self._hosts = hosts
        self._login = login

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        shown = f"{key.get_name()} {key.get_base64()}"
        self._hosts.check(self._login.key, shown, self._login.host_keys)


class Session:
    """A `with` block. LaunchError: stat_key error.auth, error.ssh, or error.unknown for a deed."""

    def __init__(self, login: Login, hosts: HostKeys) -> None:
        self._where = f"{login.username}@{login.address}"
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(_Pinned(hosts, login))
        try:
            self._client.connect(
                login.address,
                port=login.port,
                username=login.username,
                pkey=_load(login.private_key),
                look_for_keys=False,
                allow_agent=False,
                timeout=LOGIN_SECONDS,
                banner_timeout=LOGIN_SECONDS,
                auth_timeout=LOGIN_SECONDS,
            )
        except HostKeyMismatch:
            self._client.close()
            raise
        except paramiko.AuthenticationException as error:
            self._client.close()
            raise LaunchError(f"{self._where} lets nobody in", stat_key="error.auth") from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._client.close()
            text = f"{self._where} does not answer: {type(error).__name__}: {error}"
            raise LaunchError(text, stat_key="error.ssh") from error

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def run(
        self,
        command: str,
        what: str,
        timeout_seconds: float,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Output and errors as one, the end of it. `what` names the command in errors: the command
        itself may hold what nobody shall read."""
        deadline = time.monotonic() + timeout_seconds
        tail = _Tail(on_line)
        try:
            code = self._run(command, deadline, tail)
        except TimeoutError as error:
            text = f"{what} on {self._where} took longer than {timeout_seconds:.0f} s"
            raise LaunchError(text) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise LaunchError(f"{what} on {self._where} was cut off: {error}") from error
        if code != 0:
            raise LaunchError(f"{what} on {self._where} ended with status {code}")
        return tail.text

    def _run(self, command: str, deadline: float, tail: _Tail, data: bytes | None = None) -> int:
        """`data`: its input, which takes a channel without a terminal."""
        transport = self._client.get_transport()
        if transport is None:
            raise EOFError("the connection is closed")
        channel = transport.open_session(timeout=_left(deadline))
        try:
            channel.settimeout(_left(deadline))
            if data is None:
                channel.get_pty()
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            if data is not None:
                channel.sendall(data)
            channel.shutdown_write()
            while True:
                channel.settimeout(_left(deadline))
                data = channel.recv(32_768)
                if not data:
                    break
                tail.add(data)
            tail.end()
            if not channel.status_event.wait(_left(deadline)):
                raise TimeoutError
            return channel.recv_exit_status()
        finally:
            channel.close()

    def put(self, files: dict[str, bytes], mode: int = 0o644, secret: str | None = None) -> None:
        """Write files, by path: all absolute, or all relative to the login's home; their folders
        are there. `secret`: the path of the one that only its owner may read.

        As one archive: SFTP's round trips, three a file, are what a thousand launches wait for.
        """
        root = "/" if all(path.startswith("/") for path in files) else "."
        tail = _Tail(None)
        deadline = time.monotonic() + FILE_SECONDS
        try:
            code = self._run(
                f"tar -xpmf - -C {root}", deadline, tail, _archive(files, mode, secret)
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            said = f"{type(error).__name__}: {error}"
            raise LaunchError(f"Files cannot be written on {self._where}: {said}") from error
        if code != 0:
            said = tail.text.strip().replace("\n", "; ")
            raise LaunchError(f"Files cannot be written on {self._where}: {said}")


def _archive(files: dict[str, bytes], mode: int, secret: str | None) -> bytes:
    """A tar of the files, with names as seen from the folder where it is unpacked."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in files.items():
            row = tarfile.TarInfo(path.lstrip("/"))
            row.size, row.mode = len(data), 0o600 if path == secret else mode
            tar.addfile(row, io.BytesIO(data))
    return archive.getvalue()


class _Tail:
    """The end of what a command says, and its lines as they come."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.text = ""
        self._line = ""
        self._on_line = on_line

    def add(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace").replace("\r", "")
        self.text = (self.text + text)[-MOST_OUTPUT:]
        if self._on_line is None:
            return
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > MOST_LINE:
            lines, self._line = [*lines, self._line], ""
        for line in lines:
            self._on_line(line[:MOST_LINE])

    def end(self) -> None:
        if self._line and self._on_line is not None:
            self._on_line(self._line)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _load(private_key: str) -> paramiko.PKey:
    try:
        if private_key.startswith("-----BEGIN"):
            return paramiko.RSAKey.from_private_key(io.StringIO(private_key))
        found = os.stat(private_key)
        return _load_file(private_key, found.st_mtime_ns, found.st_size)
    except (paramiko.SSHException, OSError, ValueError) as error:
        named = "The key made for it" if private_key.startswith("-----BEGIN") else private_key
        text = f"{named} cannot be read as a private key: {type(error).__name__}"
        raise LaunchError(text, stat_key="error.auth") from error


@functools.lru_cache(maxsize=64)
def _load_file(path: str, mtime_ns: int, size: int) -> paramiko.PKey:
    """Once for each state of the file: a key is checked for a quarter of a second as it is read,
    and every login of every node would wait for that."""
    return paramiko.PKey.from_path(path)
