"""The servers' addresses, each with an SSH server behind it.

An address is reserved by binding it without listening, so that others on this machine do not take
it and connections are refused until SSH is up. One outside of 127.0.0.0/8 is a name alone, as a
private address is to whoever is outside of the cloud: only a floating one leads to its server. Host
keys are made at the first connection or look at the console.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import asyncssh
import asyncssh.crypto.dh
from cryptography.hazmat.primitives.asymmetric import dh

from tests.sandbox.nova_model import Server
from tests.sandbox.nova_ssh import Logins, SshSide

#: BootTrouble.ssh
MUTE, RESET, REFUSED, DENIED = "mute", "reset", "refused", "denied"
#: What SSH clients of 2010 have, beside what today's have.
KEX = (
    *("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"),
    *("diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256"),
    *("diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1"),
    "diffie-hellman-group1-sha1",
)
CIPHERS = (
    *("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr"),
    *("aes256-ctr", "aes128-cbc", "aes256-cbc", "3des-cbc"),
)
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")
SIGNATURES = (
    *("ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", "ecdsa-sha2-nistp256"),
    *("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
)
LOGIN_SECONDS = 60.0


def _accept_old_key_exchanges() -> None:
    """cryptography warns at each use of finite-field Diffie-Hellman, which is all that old clients
    have; where warnings are errors they could not log in. Its names are looked up once here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {name: getattr(dh, name) for name in ("DHParameterNumbers", "DHPublicNumbers")}
    vars(asyncssh.crypto.dh)["dh"] = SimpleNamespace(**names)


_accept_old_key_exchanges()


@dataclass(slots=True, eq=False)
class Host:
    """One server on the network."""

    server: Server
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    listening: bool = False
    keys: list[asyncssh.SSHKey] = field(default_factory=list)
    making_keys: asyncio.Task[None] | None = None
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    raw: set[socket.socket] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Hosts:
    """All of one cloud; its methods are for the cloud's loop. With `ssh` off there are addresses
    and nothing behind them."""

    def __init__(self, side: SshSide, *, ssh: bool = True, port: int = 22) -> None:
        self._side = side
        self._ssh = ssh
        self.port = port
        self._numbers: dict[str, Iterator[int]] = {}
        self._hosts: dict[str, Host] = {}
        #: addresses in use when nothing is bound
        self._taken: set[str] = set()
        #: addresses that are reserved for no server, such as floating ones
        self._held: dict[str, socket.socket] = {}

    def host(self, server: Server) -> Host:
        found = self._hosts.get(server.id)
        if found is None:
            found = self._hosts[server.id] = Host(server)
        return found

    # -- addresses -------------------------------------------------------------------------------

    def reserve(self, server: Server | None, prefix: str) -> str:
        """A free address below the prefix ("127.10"); bound for the server if one is given."""
        numbers = self._numbers.get(prefix)
        if numbers is None:
            # Processes that run side by side look in different places first.
            start = (os.getpid() * 257) % 60_000
            numbers = itertools.cycle([*range(start + 2, 65_000), *range(2, start + 2)])
            self._numbers[prefix] = numbers
        for _ in range(65_000):
            number = next(numbers)
            address = f"{prefix}.{number >> 8}.{number & 255}"
            if number & 255 in (0, 255) or address in self._taken:
                continue
            if self._ssh and is_reachable(address) and not self._claim(server, address):
                continue
            self._taken.add(address)
            return address
        raise RuntimeError(f"no free address in {prefix}.0.0/16")

    def _claim(self, server: Server | None, address: str, *, again: bool = False) -> bool:
        if server is not None:
            return self._bind(server, address)
        sock = self._bound(address, again=again)
        if sock is not None:
            self._held[address] = sock
        return sock is not None

    def hold(self, address: str) -> None:
        """Keep it from others while it belongs to no server."""
        if self._ssh:
            self._claim(None, address, again=True)

    def _let_go(self, address: str) -> None:
        sock = self._held.pop(address, None)
        if sock is not None:
            sock.close()

    def release(self, address: str) -> None:
        self._taken.discard(address)
        self._let_go(address)

    def attach(self, server: Server, address: str) -> None:
        """A further address of the server, such as a floating one; it listens if others do."""
        self._let_go(address)
        is_bound = self._ssh and self._bind(server, address, again=True)
        if is_bound and self.host(server).listening:
            self._listen(self.host(server), address)

    def detach(self, server: Server, address: str) -> None:
        self._unbind(self.host(server), address)
        self.hold(address)

    def _bind(self, server: Server, address: str, *, again: bool = False) -> bool:
        sock = self._bound(address, again=again)
        if sock is not None:
            self.host(server).sockets[address] = sock
        return sock is not None

    def _bound(self, address: str, *, again: bool = False) -> socket.socket | None:
        """None if somebody else has it; `again` is for what was ours before."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if again:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, self.port))
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise
        # Connections inherit it, so that those that linger do not keep us from coming back.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock

    def _unbind(self, host: Host, address: str) -> None:
        sock = host.sockets.pop(address, None)
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def unbind_all(self) -> None:
        """The cloud stops; hosts come back with `open`."""
        for host in self._hosts.values():
            for address in list(host.sockets):
                self._unbind(host, address)
        for address in list(self._held):
            self._let_go(address)

    # -- up and down -----------------------------------------------------------------------------

    def open(self, server: Server) -> None:
        """SSH is up now, as well as the server's trouble lets it."""
        if not self._ssh or server.trouble.ssh == REFUSED:
            return
        host = self.host(server)
        addresses = [ip.address for ip in server.floating]
        for address in [server.address, *addresses]:
            if address is not None and is_reachable(address) and address not in host.sockets:
                self._bind(server, address, again=True)
        host.listening = True
        for address in list(host.sockets):
            self._listen(host, address)

    def close(self, server: Server, *, keep_addresses: bool = True) -> None:
        """Cut all connections; from now on they are refused."""
        host = self._hosts.get(server.id)
        if host is None:
            return
        host.listening = False
        addresses = list(host.sockets)
        for address in addresses:
            self._unbind(host, address)
        for connection in list(host.connections):
            connection.abort()
        for sock in host.raw:
            sock.close()
        host.raw.clear()
        for task in host.tasks:
            task.cancel()
        if keep_addresses:
            for address in addresses:
                self._bind(server, address, again=True)
        else:
            del self._hosts[server.id]

    def _listen(self, host: Host, address: str) -> None:
        sock = host.sockets[address]
        sock.listen(64)
        loop = asyncio.get_running_loop()
        loop.add_reader(sock, self._accept, host, sock)

    def _accept(self, host: Host, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        trouble = host.server.trouble.ssh
        if trouble == RESET:
            sock.close()
        elif trouble == MUTE:
            host.raw.add(sock)
        else:
            task = asyncio.get_running_loop().create_task(self._serve(host, sock))
            host.tasks.add(task)
            task.add_done_callback(host.tasks.discard)

    async def _serve(self, host: Host, sock: socket.socket) -> None:
        try:
            keys = await self.keys(host.server)
            connection = await asyncssh.run_server(
                sock,
                server_factory=lambda: Logins(self._side, host.server, host.connections),
                server_host_keys=keys,
                process_factory=self._side.process_factory(host.server),
                sftp_factory=self._side.sftp_factory(host.server),
                allow_scp=True,
                encoding=None,
                line_editor=False,
                kex_algs=KEX,
                encryption_algs=CIPHERS,
                mac_algs=MACS,
                signature_algs=SIGNATURES,
                login_timeout=LOGIN_SECONDS,
                agent_forwarding=False,
                x11_forwarding=False,
            )
            await connection.wait_closed()
        except (asyncssh.Error, OSError):
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise

    async def keys(self, server: Server) -> list[asyncssh.SSHKey]:
        """The host keys, made first if need be: RSA (for old clients) and ed25519."""
        host = self.host(server)
        if not host.keys:
            if host.making_keys is None or host.making_keys.done():
                host.making_keys = asyncio.get_running_loop().create_task(_make_keys(host))
            await asyncio.shield(host.making_keys)
        return host.keys

    def forget_keys(self, server: Server) -> None:
        """Other ones are made when they are next needed."""
        self.host(server).keys = []

    async def console(self, server: Server) -> str:
        """What a screen would show by now, the host keys included as cloud-init prints them."""
        if server.launched is None:
            return ""
        keys = await self.keys(server)
        if server.trouble.wrong_console_keys:
            keys = await asyncio.to_thread(make_keys, server.name)
        lines = ["[    0.000000] Linux version 5.10.0-sandbox", "cloud-init: running modules"]
        lines += ["ci-info: no authorized ssh keys fingerprints found"] if not server.key else []
        lines.append("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
        lines += [f"{k.get_fingerprint()} root@{server.name}" for k in keys]
        lines.append("-----END SSH HOST KEY FINGERPRINTS-----")
        lines.append("-----BEGIN SSH HOST KEY KEYS-----")
        lines += [k.export_public_key().decode().strip() for k in keys]
        lines += ["-----END SSH HOST KEY KEYS-----", "", f"{server.name} login: "]
        return "\n".join(lines)


def is_reachable(address: str) -> bool:
    """It is of this machine."""
    return address.startswith("127.")


async def _make_keys(host: Host) -> None:
    host.keys = await asyncio.to_thread(make_keys, host.server.name)


def make_keys(name: str) -> list[asyncssh.SSHKey]:
    return [
        asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{name}"),
        asyncssh.generate_private_key("ssh-rsa", comment=f"root@{name}", key_size=2048),
    ]
