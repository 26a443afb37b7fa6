"""SSH key files for tests: unencrypted ed25519 keys, readable by their owner only."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from tests.sandbox.endpoint import write_private


def ensure_key(path: Path) -> asyncssh.SSHKey:
    """The private key in this file, made first (with its `.pub`) if it is not there."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment=path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + ".pub").write_bytes(key.export_public_key())
        write_private(path, key.export_private_key().decode())
    return asyncssh.read_private_key(path)


def public_line(key: asyncssh.SSHKey) -> str:
    """`ssh-ed25519 AAAA...` without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])
