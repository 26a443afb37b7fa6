"""How the tests of the sandbox cloud use it: a novaclient, a key, waits with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import asyncssh
import paramiko

from nodepool.config.values import CloudConfig, ProviderConfig, ProviderImage
from tests.sandbox.nova import SandboxCloud
from zuul.lib.secret import Secret

T = TypeVar("T")
WAIT_SECONDS = 20.0


def provider_of(cloud: SandboxCloud) -> ProviderConfig:
    """A provider for an impatient nodepool: no pause between calls, a second for each."""
    account = cloud.account()
    return ProviderConfig(
        name="sandbox",
        cloud=CloudConfig(
            auth_url=account.auth_url,
            username=account.username,
            password=Secret(account.password),
            project_name=account.project_name,
            region_name=account.region,
            rate=0.0,
            api_timeout=1.0,
        ),
        max_servers=5,
        images=MappingProxyType({"bare": ProviderImage("bare", 1024, "base", config_drive=True)}),
    )


class Client:
    """A user of one cloud with a key pair called `mine`."""

    def __init__(self, cloud: SandboxCloud, folder: Path, timeout: float = 20.0) -> None:
        self.cloud = cloud
        self.nova = cloud.account().nova("2.67", timeout=timeout)
        key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        folder.mkdir(parents=True, exist_ok=True)
        self.key_file = folder / "id_rsa"
        self.key_file.write_bytes(key.export_private_key("pkcs1-pem"))
        self.key_file.chmod(0o600)
        self.key = paramiko.RSAKey.from_private_key_file(str(self.key_file))
        self.public_key = key.export_public_key().decode().strip()
        self.nova.keypairs.create("mine", self.public_key)
        self.image = self.nova.glance.find_image("base")
        self.flavor = next(f for f in self.nova.flavors.list() if f.name == "m1.tiny")

    def create(self, name: str = "node", **more: Any) -> Any:
        words = {"nics": "auto", "key_name": "mine", "image": self.image, **more}
        return self.nova.servers.create(name, flavor=self.flavor, **words)

    def status(self, server: Any) -> str:
        return str(self.nova.servers.get(server.id).status)

    def boot(self, name: str = "node", **more: Any) -> Any:
        server = self.create(name, **more)
        wait_for(lambda: self.status(server) == "ACTIVE")
        return self.nova.servers.get(server.id)

    def ssh(self, server: Any, username: str = "root", **more: Any) -> paramiko.SSHClient:
        """Logged in, once SSH is up; the caller closes it."""
        (addresses,) = server.addresses.values()
        return wait_for(lambda: self.login(addresses[0]["addr"], username, **more))

    def login(self, address: str, username: str, **more: Any) -> paramiko.SSHClient | None:
        """None if the connection is refused."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        words = {"pkey": self.key, "timeout": 5, **more}
        try:
            client.connect(
                address, username=username, look_for_keys=False, allow_agent=False, **words
            )
        except paramiko.ssh_exception.NoValidConnectionsError:
            client.close()
            return None
        except BaseException:
            client.close()
            raise
        return client


def run(client: paramiko.SSHClient, command: str, pty: bool = False) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    stdin, stdout, stderr = client.exec_command(command, timeout=20, get_pty=pty)
    stdin.close()
    out, err = stdout.read().decode(), stderr.read().decode()
    return stdout.channel.recv_exit_status(), out, err


def wait_for(look: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
