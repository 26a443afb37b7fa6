"""How one reaches a Gerrit, the sandbox's or a real one: addresses, identities, SSH and REST.

Nothing here knows which of the two it talks to; the contract tests rest on that.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

#: What Gerrit puts before every JSON body, so that it is no script.
XSSI_PREFIX = ")]}'"


@dataclass(frozen=True, slots=True)
class Identity:
    """One account as its owner sees it: names, key file (private, unencrypted) and password."""

    username: str
    full_name: str
    email: str
    key_file: Path
    http_password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SshResult:
    """What one remote command answered; text is UTF-8."""

    exit_code: int
    stdout: str
    stderr: str

    def rows(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class GerritEndpoint:
    """Where a Gerrit listens and who may log in; `known_hosts` is a file, `http_url` has no
    trailing slash."""

    host: str
    ssh_port: int
    http_url: str
    known_hosts: Path
    identities: dict[str, Identity]

    def identity(self, username: str) -> Identity:
        return self.identities[username]

    def ssh_options(self, username: str) -> list[str]:
        """Options that make the ssh program use this account and trust only this host's key."""
        options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "ConnectTimeout=10",
            "LogLevel=ERROR",
        ]
        arguments = ["-F", "none", "-i", str(self.identity(username).key_file)]
        for option in options:
            arguments += ["-o", option]
        return arguments

    def ssh_argv(self, username: str, command: str) -> list[str]:
        """argv of an ssh program that runs `command`; the server gets the text as it is."""
        address = ["-p", str(self.ssh_port), "-l", username, self.host]
        return ["ssh", *self.ssh_options(username), *address, command]

    def ssh(self, username: str, command: str, timeout_seconds: float = 30) -> SshResult:
        done = subprocess.run(
            self.ssh_argv(username, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
        return SshResult(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def ssh_url(self, username: str, project: str) -> str:
        return f"ssh://{username}@{self.host}:{self.ssh_port}/{quote(project)}"

    def git_environment(self, username: str) -> dict[str, str]:
        """Environment for git commands of this account: its key, its name, nobody's config."""
        identity = self.identity(username)
        words = ["ssh", *self.ssh_options(username)]
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
            "GIT_SSH_COMMAND": " ".join(_shell_word(word) for word in words),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": identity.full_name,
            "GIT_AUTHOR_EMAIL": identity.email,
            "GIT_COMMITTER_NAME": identity.full_name,
            "GIT_COMMITTER_EMAIL": identity.email,
        }

    def rest(
        self,
        username: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Sequence[tuple[str, str]] = (),
        timeout_seconds: float = 30,
    ) -> RestResult:
        """One authenticated call; `path` is below `/a`, with a leading slash."""
        identity = self.identity(username)
        answer = requests.request(
            method,
            f"{self.http_url}/a{path}",
            params=list(params),
            json=body,
            auth=(identity.username, identity.http_password),
            timeout=timeout_seconds,
        )
        return RestResult(answer.status_code, answer.text)


@dataclass(frozen=True, slots=True)
class RestResult:
    """Status and text of a REST answer."""

    status: int
    text: str

    def json(self) -> Any:
        """The body without the prefix Gerrit puts before it; None for an empty body."""
        if not self.text:
            return None
        if not self.text.startswith(XSSI_PREFIX):
            raise ValueError(f"HTTP {self.status}, not Gerrit JSON: {self.text[:200]!r}")
        return json.loads(self.text[len(XSSI_PREFIX) :])


def _shell_word(word: str) -> str:
    """Quote for the shell git runs GIT_SSH_COMMAND with."""
    return "'" + word.replace("'", "'\\''") + "'"


def write_private(path: Path, text: str) -> None:
    """Create `path` readable by its owner only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
