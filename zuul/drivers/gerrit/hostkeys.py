"""Host keys: which file has them, and what a person must do when one is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class SshConfig(Protocol):
    """What of zuul.config.GerritConnectionConfig an SSH connection needs."""

    @property
    def name(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def sshkey(self) -> Path | None: ...
    @property
    def keepalive(self) -> int: ...
    @property
    def known_hosts(self) -> Path | None: ...


def known_hosts_path(config: SshConfig) -> Path:
    return config.known_hosts or Path(os.path.expanduser("~/.ssh/known_hosts"))


def explain_unknown_key(config: SshConfig, key: str) -> str:
    """`key`: type and fingerprint."""
    return (
        f"the host key of {config.server}:{config.port} is not in {known_hosts_path(config)}."
        f" It sent {key}. Ask the server's administrator for the fingerprint; if it is the same,"
        f" add the key as the user that runs Zuul: {_keyscan(config)}"
    )


def explain_changed_key(config: SshConfig, key: str, expected: str) -> str:
    path = known_hosts_path(config)
    host = config.server if config.port == 22 else f"[{config.server}]:{config.port}"
    return (
        f"the host key of {config.server}:{config.port} has CHANGED: it sent {key}, {path} has"
        f" {expected}. Somebody may be listening in. If the server's administrator confirms the"
        f" new fingerprint: ssh-keygen -R '{host}' -f {path} && {_keyscan(config)}"
    )


def _keyscan(config: SshConfig) -> str:
    return f"ssh-keyscan -p {config.port} {config.server} >> {known_hosts_path(config)}"
