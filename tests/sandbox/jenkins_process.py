"""A sandbox Jenkins in a process of its own, which kill -9 ends for real."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.sandbox.process import SandboxProcess


class JenkinsProcess(SandboxProcess):
    """start(), stop(), kill(), any number of times, on one port and folder; `url` ends with a
    slash. `setup` is the YAML of `--setup`, used by the first start; `user` NAME:PASSWORD:TOKEN."""

    def __init__(
        self, folder: Path, *, setup: str = "", user: str = "", modern: bool = True, port: int = 0
    ) -> None:
        super().__init__()
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> Self:
        """Returns when it listens; RuntimeError if it ends instead."""
        words = [*self._options, "--port", str(self.port)]
        setup, self._setup = self._setup, None
        if setup is not None:
            words += ["--setup", str(setup)]
        self.port = self._launch("tests.sandbox.jenkins", words)["port"]
        return self

    def end(self) -> None:
        """Builds and the queue are gone."""
        self.kill()
