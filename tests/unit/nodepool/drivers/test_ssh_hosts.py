"""Host keys out of consoles, and what a machine must show."""

from __future__ import annotations

import pytest

from nodepool.drivers.ssh_hosts import HostKeyMismatch, HostKeys, read_console
from nodepool.errors import ProviderError
from nodepool.model import MachineKey

KEY = MachineKey("node", 1)
OLD, NEW = "ssh-ed25519 " + "A" * 68, "ssh-ed25519 " + "B" * 68
EC = "ecdsa-sha2-nistp256 " + "A" * 68
CONSOLE = f"""boot
-----BEGIN SSH HOST KEY KEYS-----
{OLD} root@node
-----END SSH HOST KEY KEYS-----
boot again\r
-----BEGIN SSH HOST KEY KEYS-----\r
{NEW} root@node\r
{EC} root@node\r
-----END SSH HOST KEY KEYS-----\r
login:"""


def test_the_last_boots_keys_are_read() -> None:
    assert read_console(CONSOLE) == (EC, NEW)
    assert read_console("") == read_console(OLD) == ()


def test_a_console_binds() -> None:
    hosts = HostKeys()
    hosts.expect(KEY, lambda: CONSOLE)
    with pytest.raises(HostKeyMismatch, match="SHA256:"):
        hosts.check(KEY, OLD)
    hosts.check(KEY, NEW)
    assert hosts.take(KEY) == (EC, NEW)


def test_without_a_console_the_first_key_binds() -> None:
    def fails() -> str:
        raise ProviderError("no console")

    hosts = HostKeys()
    hosts.expect(KEY, fails)
    hosts.check(KEY, OLD)
    with pytest.raises(HostKeyMismatch):
        hosts.check(KEY, NEW)
    hosts.check(MachineKey("node", 2), NEW)
    assert hosts.take(KEY) == (OLD,)


def test_what_is_recorded_binds_and_nothing_is_learnt() -> None:
    hosts = HostKeys()
    hosts.check(KEY, NEW, (EC, NEW))
    with pytest.raises(HostKeyMismatch, match=r"node 1\.0 is not trusted"):
        hosts.check(KEY, OLD, (EC, NEW))
    assert hosts.take(KEY) == ()


def test_what_was_taken_is_forgotten() -> None:
    hosts = HostKeys()
    hosts.expect(KEY, lambda: CONSOLE)
    hosts.check(KEY, NEW)
    hosts.take(KEY)
    assert hosts.take(KEY) == ()
    hosts.check(KEY, OLD)


def test_a_new_machine_has_new_keys() -> None:
    hosts = HostKeys()
    hosts.check(KEY, OLD)
    hosts.expect(KEY, lambda: "")
    hosts.check(KEY, NEW)


def test_a_key_that_no_row_can_hold_is_not_trusted() -> None:
    hosts = HostKeys()
    with pytest.raises(HostKeyMismatch):
        hosts.check(KEY, "ssh-rsa " + "A" * 9_000)
    assert hosts.take(KEY) == ()
