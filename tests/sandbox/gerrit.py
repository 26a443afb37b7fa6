"""A Gerrit for tests and the demo: real SSH, HTTP and git on loopback, reviews in memory.

The server runs on a thread and event loop of its own; the methods of SandboxGerrit may be called
from any other thread. Repositories, keys and known_hosts are files below its folder. As a program:
`python -m tests.sandbox.gerrit --dir D --projects org/one,org/two`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import asyncssh
from aiohttp import web

from tests.sandbox.endpoint import GerritEndpoint, Identity
from tests.sandbox.gerrit_commands import Commands
from tests.sandbox.gerrit_defaults import (
    LEGACY_LABELS,
    MODERN_LABELS,
    PASSWORD,
    default_accounts,
)
from tests.sandbox.gerrit_events import Events, EventStream
from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_git import Repository
from tests.sandbox.gerrit_model import Account, Label, Store
from tests.sandbox.gerrit_people import People
from tests.sandbox.gerrit_rest import RestSide
from tests.sandbox.gerrit_rest_rows import RestRows
from tests.sandbox.gerrit_reviews import Reviews
from tests.sandbox.gerrit_rows import Rows
from tests.sandbox.gerrit_rules import Rules
from tests.sandbox.gerrit_ssh import Logins, SshSide
from tests.sandbox.gerrit_submit import Submitter
from tests.sandbox.gerrit_uploads import Uploads
from tests.sandbox.hosting import HOST, Hosted, bound
from tests.sandbox.keys import ensure_key, public_line


class SandboxGerrit(Hosted, People):
    """One server. start() and stop(), or a `with` block; `endpoint` says how to reach it."""

    def __init__(
        self,
        folder: Path,
        *,
        modern: bool = True,
        labels: Iterable[Label] | None = None,
        accounts: Iterable[Account] | None = None,
        ssh_port: int = 0,
        http_port: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("sandbox.gerrit")
        self.folder = folder
        self.modern = modern
        self.faults = Faults()
        self.stream = EventStream(self.faults)
        self.store = Store(labels or (MODERN_LABELS if modern else LEGACY_LABELS))
        self.rules = Rules(self.store, modern)
        self.endpoint: GerritEndpoint
        #: SSH connections that are open
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._accounts = list(accounts or default_accounts())
        self._keys: dict[str, list[asyncssh.SSHKey]] = {}
        self._ports = (ssh_port, http_port)
        self._clock = now
        self._repositories: dict[str, Repository] = {}
        self._acceptor: asyncssh.SSHAcceptor

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for account in self._accounts:
            self.store.add_account(account)
            key = ensure_key(self._key_file(account.username))
            self._keys.setdefault(account.username, []).append(key)
        return super().start()

    async def _serve(self) -> None:
        sockets = [bound(port) for port in self._ports]
        ssh_port, http_port = (sock.getsockname()[1] for sock in sockets)
        url = f"http://{HOST}:{http_port}"
        self._wire(url)
        host_key = ensure_key(self.folder / "host_key")
        self._describe(ssh_port, url, host_key)
        self._acceptor = ssh = await asyncssh.listen(
            sock=sockets[0],
            server_factory=lambda: Logins(self),
            server_host_keys=[host_key],
            process_factory=self._ssh.handle,
            encoding=None,
            line_editor=False,
            keepalive_interval=0,
        )
        runner = web.AppRunner(RestSide(self).application(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, sockets[1]).start()
        self._is_up()
        await self._stopping.wait()
        self.stream.close()
        ssh.close()
        self._drop_connections()
        await ssh.wait_closed()
        await runner.cleanup()

    def _wire(self, url: str) -> None:
        rows = Rows(self.store, self.rules, url, self.modern)
        self.events = Events(self.stream, rows, self.now)
        self.reviews = Reviews(
            self.store, self.events, self.faults, self.repository, self.now, rows.url
        )
        self.uploads = Uploads(self.reviews)
        self.submitter = Submitter(self.uploads, self.rules, self._loop.call_later)
        self.commands = Commands(
            self.store, self.rules, rows, self.reviews, self.submitter, self.faults, self.now
        )
        self.rest_rows = RestRows(self.store, self.rules, self.repository)
        self._ssh = SshSide(self)

    def _describe(self, ssh_port: int, url: str, host_key: asyncssh.SSHKey) -> None:
        known_hosts = self.folder / "known_hosts"
        known_hosts.write_text(f"[{HOST}]:{ssh_port} {public_line(host_key)}\n")
        identities = {
            a.username: Identity(
                a.username, a.full_name, a.email, self._key_file(a.username), PASSWORD
            )
            for a in self._accounts
        }
        self.endpoint = GerritEndpoint(HOST, ssh_port, url, known_hosts, identities)

    def _key_file(self, username: str) -> Path:
        return self.folder / "keys" / username

    # -- what the SSH and HTTP sides ask ---------------------------------------------------------

    def now(self) -> int:
        return int(self._clock())

    def account(self, username: str) -> Account | None:
        return self.store.accounts.get(username)

    def may_login(self, username: str, key: asyncssh.SSHKey) -> bool:
        data = key.public_data
        return any(known.public_data == data for known in self._keys.get(username, ()))

    def password_of(self, username: str) -> str | None:
        return PASSWORD if username in self.store.accounts else None

    def find_repository(self, project: str) -> Repository | None:
        return self._repositories.get(project)

    async def wait(self, command: str) -> None:
        await self._ssh.wait(command)

    # -- faults that are deeds -------------------------------------------------------------------

    def send_raw(self, text: str) -> None:
        """Put any text on every event stream, such as a broken line."""
        self.call(lambda: self.stream.send_raw(text))

    def close_streams(self) -> None:
        """End the event streams that are open now; clients may connect again."""
        self.call(self.stream.close)

    def change_host_key(self) -> None:
        """From now on be a server that known_hosts does not know; drop who is connected."""

        def change() -> None:
            key = asyncssh.generate_private_key("ssh-ed25519")
            self._acceptor.update(server_host_keys=[key])
            self._drop_connections()

        self.call(change)

    def drop_connections(self) -> None:
        """Cut every SSH connection, as a network does."""
        self.call(self._drop_connections)

    def _drop_connections(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    @property
    def listeners(self) -> int:
        """How many event streams are open."""
        return self.stream.listeners


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, required=True, help="repositories, keys, known_hosts")
    parser.add_argument("--projects", default="", help="comma-separated names to create")
    parser.add_argument("--ssh-port", type=int, default=0)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--legacy", action="store_true", help="behave as the servers of 2013")
    options = parser.parse_args(arguments)
    gerrit = SandboxGerrit(
        options.dir,
        modern=not options.legacy,
        ssh_port=options.ssh_port,
        http_port=options.http_port,
    )
    with gerrit:
        for project in filter(None, options.projects.split(",")):
            gerrit.create_project(project)
        endpoint = gerrit.endpoint
        facts = {
            "ssh_port": endpoint.ssh_port,
            "url": endpoint.http_url,
            "known_hosts": str(endpoint.known_hosts),
            "keys": {name: str(i.key_file) for name, i in endpoint.identities.items()},
        }
        print(json.dumps(facts), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
