"""A sandbox Jenkins in a process of its own, which kill -9 ends for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 20.0


class JenkinsProcess:
    """start(), stop(), kill(), any number of times, on one port and folder; `url` ends with a
    slash. `setup` is the YAML of `--setup`, used by the first start; `user` NAME:PASSWORD:TOKEN."""

    def __init__(
        self, folder: Path, *, setup: str = "", user: str = "", modern: bool = True, port: int = 0
    ) -> None:
        self.port = port
        self._setup: Path | None = None
        if setup:
            folder.mkdir(parents=True, exist_ok=True)
            self._setup = folder / "setup.yaml"
            self._setup.write_text(setup, encoding="utf-8")
        self._options = ["--dir", str(folder)]
        if user:
            self._options += ["--user", user]
        if not modern:
            self._options.append("--old")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> JenkinsProcess:
        """Returns when it listens; RuntimeError if it ends instead."""
        assert self._process is None, "it runs already"
        command = [sys.executable, "-m", "tests.sandbox.jenkins", *self._options]
        command += ["--port", str(self.port)]
        setup, self._setup = self._setup, None
        if setup is not None:
            command += ["--setup", str(setup)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self.kill()
            raise RuntimeError(f"the sandbox Jenkins ended with {process.returncode}")
        self.port = json.loads(line)["port"]
        return self

    def stop(self) -> None:
        """SIGINT: a clean stop, the queue is kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._reap()

    def kill(self) -> None:
        """SIGKILL; builds and the queue are gone."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def __enter__(self) -> JenkinsProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _reap(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.wait(STOP_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
