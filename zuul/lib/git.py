"""Runs the git program, through GitPython: argument lists only, bounded in time, no hooks.

Everything that touches the network or another process goes through `Git.run`. What git said is a
value; whether it is good news is decided where the command is known.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from git.cmd import Git as GitPython

from zuul.lib.git_names import PROTOCOLS
from zuul.lib.logs import fields

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
    def was_killed(self) -> bool:
        return self.status < 0

    @property
    def reason(self) -> str:
        """One line for a log or an answer: what git gave as its reason."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
        said = "; ".join(telling or lines[-3:])[:500]
        ended = f"killed by signal {-self.status}" if self.was_killed else f"status {self.status}"
        return said or f"git ended: {ended}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest that git may take, by kind of work."""

    clone_seconds: float = 3600.0
    fetch_seconds: float = 300.0
    local_seconds: float = 120.0
    maintenance_seconds: float = 1800.0


class GitProcesses:
    """The git processes of one program; any thread may end them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def finish(self, process: subprocess.Popen[bytes], timeout_seconds: float) -> GitResult:
        """Wait for the end of a process; kill it and its children when the time is over."""
        self._running.add(process)
        try:
            if self._stopped:
                _kill(process)
            output, errors = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            output, errors = process.communicate()
            errors += f"\nfatal: killed after {timeout_seconds:g} s".encode()
        finally:
            self._running.discard(process)
        return GitResult(process.returncode, _text(output), _text(errors))

    def stop(self) -> None:
        """Kill what runs, and whatever is started from now on."""
        self._stopped = True
        for process in list(self._running):
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(output: bytes) -> str:
    return output.decode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Git:
    """How to run git for one clone; `environment` holds what its connection needs."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    protocols: Collection[str] = PROTOCOLS
    processes: GitProcesses = field(default_factory=GitProcesses)

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
        # GitPython kills a process whose handle it sees go: this one stays until the end.
        handle = GitPython(str(self.folder)).execute(
            [*command, *arguments],
            istream=stdin,
            as_process=True,
            env={**self._environment(), **(environment or {})},
            # A session of its own, so that ssh and the other children can be killed with it.
            start_new_session=True,
        )
        assert handle.proc is not None, "as_process leaves the process to us"
        result = self.processes.finish(handle.proc, timeout_seconds)
        log.debug(
            "Git ended %s",
            fields(
                status=result.status,
                seconds=round(time.monotonic() - started, 3),
                arguments=list(arguments[:20]),
                errors=result.errors[:1000] or None,
            ),
        )
        return result

    def _environment(self) -> dict[str, str]:
        return {
            "LC_ALL": "C",
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
