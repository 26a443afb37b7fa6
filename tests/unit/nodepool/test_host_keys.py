"""Host keys as text."""

from __future__ import annotations

import base64

import pytest

from nodepool.host_keys import (
    MOST_KEYS,
    find_host_keys,
    fingerprint,
    read_host_keys,
    write_host_keys,
)

KEYS = ("ecdsa-sha2-nistp256 " + "A" * 139 + "=", "ssh-ed25519 " + "B" * 68)
#: of the longest RSA keys that OpenSSH makes
LONG = [f"ssh-rsa {number:02}" + "C" * 2_780 for number in range(MOST_KEYS)]


def test_what_is_written_is_read() -> None:
    for keys in ((), KEYS, tuple(LONG)):
        text = write_host_keys(keys)
        assert read_host_keys(text) == keys
        assert len(text) < 65_000, "MariaDB has no room for it"


def test_keys_are_found_sorted_and_once() -> None:
    text = f"x {KEYS[1]} root@node\r\n{KEYS[0]}\n{KEYS[1]}"
    assert find_host_keys(text) == KEYS


def test_of_too_many_keys_some_are_found() -> None:
    assert len(find_host_keys("\n".join(LONG + list(KEYS)))) == MOST_KEYS
    assert find_host_keys("ssh-rsa " + "D" * 9_000) == ()


@pytest.mark.parametrize("text", ["x", KEYS[0] + " x", "\n".join(LONG + list(KEYS))])
def test_what_is_no_list_of_keys_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host key"):
        read_host_keys(text)


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    # github.com, as it is published
    data = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    assert base64.b64decode(data)
    wanted = "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert fingerprint(f"ssh-ed25519 {data}") == wanted
