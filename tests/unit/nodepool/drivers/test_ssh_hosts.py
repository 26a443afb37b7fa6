"""Host keys out of consoles, and what a machine must show."""

from __future__ import annotations

import pytest

from nodepool.drivers.ssh_hosts import HostKeyMismatch, HostKeys, read_console
from nodepool.errors import ProviderError
from nodepool.model import MachineKey

KEY = MachineKey("node", 1)
OLD, NEW = "A" * 68, "B" * 68
CONSOLE = f"""boot
-----BEGIN SSH HOST KEY KEYS-----
ssh-ed25519 {OLD} root@node
-----END SSH HOST KEY KEYS-----
boot again\r
-----BEGIN SSH HOST KEY KEYS-----\r
ssh-ed25519 {NEW} root@node\r
ecdsa-sha2-nistp256 {OLD}= root@node\r
-----END SSH HOST KEY KEYS-----\r
login:"""


def test_the_last_boots_keys_are_read() -> None:
    expected = {("ssh-ed25519", NEW), ("ecdsa-sha2-nistp256", f"{OLD}=")}
    assert read_console(CONSOLE) == expected
    assert read_console("") == read_console(f"ssh-ed25519 {OLD}") == frozenset()


def test_a_console_binds() -> None:
    hosts = HostKeys()
    hosts.expect(KEY, lambda: CONSOLE)
    with pytest.raises(HostKeyMismatch):
        hosts.check(KEY, ("ssh-ed25519", OLD))
    hosts.check(KEY, ("ssh-ed25519", NEW))


def test_without_a_console_the_first_key_binds() -> None:
    def fails() -> str:
        raise ProviderError("no console")

    hosts = HostKeys()
    hosts.expect(KEY, fails)
    hosts.check(KEY, ("ssh-ed25519", OLD))
    with pytest.raises(HostKeyMismatch):
        hosts.check(KEY, ("ssh-ed25519", NEW))
    hosts.check(MachineKey("node", 2), ("ssh-ed25519", NEW))


def test_a_new_machine_has_new_keys() -> None:
    hosts = HostKeys()
    hosts.check(KEY, ("ssh-ed25519", OLD))
    hosts.expect(KEY, lambda: "")
    hosts.check(KEY, ("ssh-ed25519", NEW))
