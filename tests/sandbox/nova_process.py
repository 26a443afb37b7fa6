"""A sandbox cloud in a process of its own, so that a bench or a daemon under test does not share
its interpreter; kill -9 ends it for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import requests

from tests.sandbox.nova_account import Account
from tests.sandbox.process import SandboxProcess

CALL_SECONDS = 60.0


class CloudProcess(SandboxProcess):
    """start(), then stop() or kill(), or a `with` block. What it knows ends with it. `options` are
    those of `python -m tests.sandbox.nova`, such as "--quota", "328"."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__()
        self._words = ["--dir", str(folder), *options]
        self.url = ""
        self.environment: dict[str, str] = {}

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

    def start(self) -> Self:
        """Returns when it listens; RuntimeError if it ends instead."""
        row = self._launch("tests.sandbox.nova", self._words)
        self.url, self.environment = row["url"], row["environment"]
        return self

    def end(self) -> None:
        """The servers' processes end with it."""
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
