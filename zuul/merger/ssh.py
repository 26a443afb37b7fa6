"""How git reaches Gerrit over SSH: one small script a connection, which checks the host key.

Git runs the script in place of ssh. It holds the connection's key and its known_hosts file; the
arguments that git adds are passed through as they are.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CONNECT_TIMEOUT_SECONDS = 30
ALIVE_INTERVAL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class SshLogin:
    """What a connection says about SSH; None: ssh's own default."""

    connection: str
    key_file: str | None = None
    known_hosts: str | None = None


def ssh_command(login: SshLogin) -> list[str]:
    """ssh with the options of the connection, as an argument list."""
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        f"ConnectTimeout={CONNECT_TIMEOUT_SECONDS}",
        f"ServerAliveInterval={ALIVE_INTERVAL_SECONDS}",
        "ServerAliveCountMax=4",
    ]
    if login.known_hosts:
        options.append(f"UserKnownHostsFile={_option_path(login.known_hosts)}")
    if login.key_file:
        options += [f"IdentityFile={_option_path(login.key_file)}", "IdentitiesOnly=yes"]
    command = ["ssh"]
    for option in options:
        command += ["-o", option]
    return command


def wrapper_path(git_dir: Path, connection: str) -> Path:
    """Where the script of a connection is; a name that is no plain word is escaped."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"%{ord(found[0]):02x}", connection)
    return git_dir / f".ssh_wrapper_{plain}"


def write_wrappers(git_dir: Path, logins: Iterable[SshLogin]) -> dict[str, str]:
    """Write every connection's script; returns connection name -> path, for GIT_SSH."""
    written = {}
    for login in logins:
        path = wrapper_path(git_dir, login.connection)
        text = f'#!/bin/sh\nexec {shlex.join(ssh_command(login))} "$@"\n'
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700), "w") as script:
            script.write(text)
        draft.replace(path)
        written[login.connection] = str(path)
    return written


def git_environment(wrappers: Mapping[str, str], connection: str) -> dict[str, str]:
    """The variables that make git use the connection's script, or a strict ssh without one."""
    script = wrappers.get(connection)
    if script is None:
        return {
            "GIT_SSH_COMMAND": shlex.join(ssh_command(SshLogin(connection))),
            "GIT_SSH_VARIANT": "ssh",
        }
    return {"GIT_SSH": script, "GIT_SSH_VARIANT": "ssh"}


def host_key_advice(url: str, known_hosts: str | None) -> str:
    """What to do about an unknown or changed host key of `url`."""
    parts = urlsplit(url)
    host, port = parts.hostname or url, parts.port or 22
    file = known_hosts or "~/.ssh/known_hosts of the merger's user"
    return (
        f"host key of [{host}]:{port} is unknown or has changed: fetch it with"
        f" 'ssh-keyscan -p {port} {host}', compare its fingerprint with the server's own,"
        f" and add it to {file}"
    )


def _option_path(path: str) -> str:
    """A file name as the value of an ssh option: quoted, and no token for ssh to expand."""
    expanded = os.path.expanduser(path)
    return '"' + expanded.replace("%", "%%").replace('"', "") + '"'
