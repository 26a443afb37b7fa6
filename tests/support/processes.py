"""Processes that a test or the demo starts: logged to files, ended for certain."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.support.waiting import pauses

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
#: for one answer: a daemon on a busy machine may be kept from its work for seconds
REST_SECONDS = 30.0


class NotInTime(AssertionError):
    """What was waited for did not come; the text holds what is known."""


def wait_for(
    look: Callable[[], T | None],
    what: str,
    seconds: float = 30.0,
    explain: Callable[[], str] = lambda: "",
) -> T:
    """Look again and again until something true is seen, and return it."""
    deadline = time.monotonic() + seconds
    pause = pauses()
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NotInTime(f"no {what} within {seconds:.0f} s\n{explain()}")
        time.sleep(next(pause))
    return seen


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Process:
    """One started program."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Run `command` in the repository's root; its output goes to `folder`/NAME.log."""
        folder.mkdir(parents=True, exist_ok=True)
        log_path = folder / f"{name}.log"
        with open(log_path, "ab") as log:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, popen, log_path)

    def log(self, last: int = 4000) -> str:
        """The end of what it has said, for people to read."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-last:]

    def has_said(self, words: str) -> bool:
        """Ever, in any of its lives."""
        return words in self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_for_words(self, words: str, seconds: float = 30.0) -> None:
        wait_for(lambda: self.has_said(words), f"{words!r} of {self.name}", seconds, self.log)

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Its exit status; NotInTime if it runs on."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"{self.name} runs on\n{self.log()}") from None

    def kill(self) -> None:
        """End it and its children at once."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)

    def stop(self, seconds: float = 10.0) -> None:
        """Ask it to end, and make it end."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
