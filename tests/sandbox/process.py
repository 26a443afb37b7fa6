"""What is started and ended as a whole: a `with` block, and a sandbox in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0


class Block:
    """A `with` block starts it, and ends it for certain."""

    def start(self) -> Self:
        raise NotImplementedError

    def end(self) -> None:
        """At the end of the block."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class SandboxProcess(Block):
    """A module of this folder as a program, which says on its first line, in JSON, where it is."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _launch(self, module: str, words: Sequence[str]) -> dict[str, Any]:
        """Its first line; RuntimeError if it ends instead."""
        assert self._process is None, "it runs already"
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self.kill()
            raise RuntimeError(f"{module} ended with {process.returncode}")
        row: dict[str, Any] = json.loads(line)
        return row

    def stop(self) -> None:
        """SIGINT: a clean stop."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._reap()

    def kill(self) -> None:
        """SIGKILL: what it did not write down is lost; what it started may go on."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdout is not None
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        process.stdout.close()
