"""Runs the git program, through GitPython: argument lists only, bounded in time, no hooks.

Everything that touches the network or another process goes through `Git.run`. What git said is a
value; whether it is good news is decided where the command is known.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from git.cmd import Git as GitPython

from zuul.merger.names import PROTOCOLS

log = logging.getLogger("zuul.Repo")

#: given to every command: nothing of the clone or of the user may run a program behind our back
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.showForcedUpdates=true",
    "fetch.writeCommitGraph=false",
    "commit.gpgSign=false",
    "rerere.enabled=false",
    "protocol.version=2",
    # Changes come from anybody who may upload: their objects are checked. Flaws that long
    # histories are known to have stay readable.
    "fetch.fsckObjects=true",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingSpaceBeforeEmail=ignore",
    "fetch.fsck.missingEmail=ignore",
    "fetch.fsck.missingNameBeforeEmail=ignore",
    "fetch.fsck.badEmail=ignore",
)
#: variables that would point git at another repository than the one we name
_LEADING_ASTRAY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)


@dataclass(frozen=True, slots=True)
class GitResult:
    """How a command ended; `status` is negative when it was killed."""

    status: int
    output: str
    errors: str

    @property
    def is_ok(self) -> bool:
        return self.status == 0

    @property
    def timed_out(self) -> bool:
        return self.status < 0

    @property
    def reason(self) -> str:
        """One line for a log or an answer: what git gave as its reason."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
        return "; ".join(telling or lines[-3:])[:500] or f"git ended with status {self.status}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest that git may take, by kind of work."""

    clone_seconds: float = 3600.0
    fetch_seconds: float = 300.0
    local_seconds: float = 120.0
    maintenance_seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class Git:
    """How to run git for one clone; `environment` holds what its connection needs."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    protocols: Collection[str] = PROTOCOLS

    def run(
        self,
        arguments: Sequence[str],
        timeout_seconds: float,
        *,
        environment: Mapping[str, str] | None = None,
        stdin: BinaryIO | None = None,
    ) -> GitResult:
        """Run `git ARGUMENTS` in the folder. A command that outstays its time is killed."""
        command = ["git"]
        for setting in _SETTINGS:
            command += ["-c", setting]
        started = time.monotonic()
        status, output, errors = GitPython(str(self.folder)).execute(
            [*command, *arguments],
            istream=stdin,
            with_extended_output=True,
            with_exceptions=False,
            kill_after_timeout=timeout_seconds,
            env={**self._environment(), **(environment or {})},
            start_new_session=True,
        )
        log.debug("git %s: status %s, %.3f s", arguments, status, time.monotonic() - started)
        return GitResult(int(status), str(output), str(errors))

    def _environment(self) -> dict[str, str]:
        return {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": ":".join(sorted(self.protocols)),
            "GIT_EDITOR": "true",
            "GIT_OPTIONAL_LOCKS": "0",
            **self.environment,
        }


def forget_outer_repository() -> None:
    """Drop from this process's environment what would lead git astray; for start-up."""
    for name in _LEADING_ASTRAY:
        os.environ.pop(name, None)
