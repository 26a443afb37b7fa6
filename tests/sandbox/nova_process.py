"""A sandbox cloud in a process of its own, so that a bench or a daemon under test does not share
its interpreter; kill -9 ends it for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.sandbox.nova_account import Account

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0
CALL_SECONDS = 60.0


class CloudProcess:
    """start(), then stop() or kill(), or a `with` block. What it knows ends with it. `options` are
    those of `python -m tests.sandbox.nova`, such as "--quota", "328"."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._command = [sys.executable, "-m", "tests.sandbox.nova", "--dir", str(folder)]
        self._command += options
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.environment: dict[str, str] = {}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def auth_url(self) -> str:
        return self.environment["OS_AUTH_URL"]

    def account(self) -> Account:
        words = self.environment
        return Account(
            auth_url=words["OS_AUTH_URL"],
            username=words["OS_USERNAME"],
            password=words["OS_PASSWORD"],
            project_name=words["OS_PROJECT_NAME"],
            project_id=words["OS_PROJECT_ID"],
            region=words["OS_REGION_NAME"],
        )

    def start(self) -> CloudProcess:
        """Returns when it listens; RuntimeError if it ends instead."""
        assert self._process is None, "it runs already"
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(STOP_SECONDS)
            self.kill()
            raise RuntimeError(f"the sandbox cloud ended with {code}")
        row = json.loads(line)
        self.url, self.environment = row["url"], row["environment"]
        return self

    def stop(self) -> None:
        """SIGINT: a clean stop, the servers' processes end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._reap()

    def kill(self) -> None:
        """SIGKILL; what runs in servers goes on."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def __enter__(self) -> CloudProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def call(self, name: str, *arguments: Any, **words: Any) -> Any:
        """A method of SandboxCloud (see nova_control.py), or `faults.add`, `faults.boot`,
        `faults.limit`, `faults.delay`, `faults.clear`, `requests`, `requests.clear`, `totals`.
        Views come as dictionaries. LookupError if it did not like the words."""
        body = {"name": name, "arguments": arguments, "words": words}
        answer = requests.post(f"{self.url}/sandbox/call", json=body, timeout=CALL_SECONDS)
        if answer.status_code != 200:
            raise LookupError(answer.text)
        return answer.json()["result"]

    def _reap(self) -> None:
        process, self._process = self._process, None
        assert process is not None and process.stdout is not None
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        process.stdout.close()
