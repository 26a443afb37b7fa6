"""What the contract cases do to a Gerrit, whichever it is, and how they hear its events."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tests.sandbox.developer import Developer, Upload
from tests.sandbox.endpoint import GerritEndpoint, SshResult

EVENT_SECONDS = 20.0
_count = itertools.count(1)

Row = dict[str, Any]


class Gerrit(Protocol):
    """What sandbox and real one have in common."""

    endpoint: GerritEndpoint

    def create_project(self, name: str, submit_type: str = ...) -> None: ...
    def create_branch(self, project: str, branch: str, revision: str = ...) -> None: ...


class GerritSite:
    """One Gerrit and people who use it."""

    def __init__(self, kind: str, gerrit: Gerrit, folder: Path) -> None:
        self.kind = kind
        self.gerrit = gerrit
        self.endpoint = gerrit.endpoint
        self.developer = Developer(self.endpoint, "dev", folder / "dev")

    @cached_property
    def any_upload(self) -> Upload:
        """An open change without votes, for cases that leave it so."""
        return self.developer.upload(self.project(), "Any change")

    def project(self, submit_type: str = "MERGE_IF_NECESSARY") -> str:
        """A new project of a test's own."""
        name = f"org/project-{next(_count)}"
        self.gerrit.create_project(name, submit_type)
        return name

    def query(self, text: str, username: str = "zuul") -> list[Row]:
        """Rows of a query, the stats row last."""
        answer = self.endpoint.ssh(username, f"gerrit query --format json {text}")
        assert answer.exit_code == 0, answer.stderr
        return answer.rows()

    def row(self, text: str) -> Row:
        """The only row of a query."""
        rows = self.query(text)
        assert len(rows) == 2, rows
        return rows[0]

    def review(self, words: str, username: str = "zuul") -> SshResult:
        return self.endpoint.ssh(username, f"gerrit review {words}")

    def approve(self, *uploads: Upload, patch_set: int = 1) -> None:
        """All three labels at their highest."""
        for upload in uploads:
            target = f"{upload.number},{patch_set}"
            first = self.review(f"--code-review 2 --workflow 1 {target}", "core")
            second = self.review(f"--verified 2 {target}")
            assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr

    def status(self, upload: Upload) -> str:
        return str(self.row(f"change:{upload.number}")["status"])

    def rest(self, method: str, path: str, body: Any = None, username: str = "zuul") -> Any:
        answer = self.endpoint.rest(username, method, path, body)
        assert answer.status in (200, 201, 204), (answer.status, answer.text)
        return answer.json()

    def branch_head(self, project: str, branch: str = "master") -> str:
        ref = f"refs/heads/{branch}"
        said = self.developer.git(None, "ls-remote", self.developer.url(project), ref)
        return said.split()[0]


class EventReader:
    """Hears a Gerrit's event stream from `with` on; `collect` gives what came so far."""

    def __init__(self, site: GerritSite) -> None:
        self._site = site
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._ping: Upload | None = None

    def __enter__(self) -> EventReader:
        project = self._site.project()
        self._ping = self._site.developer.upload(project, "Ping")
        endpoint = self._site.endpoint
        self._process = subprocess.Popen(
            endpoint.ssh_argv("zuul", "gerrit stream-events"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._synchronise(again=0.3)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(10)
        self._thread.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def collect(self) -> list[Row]:
        """Events since the last time, in order; those of other projects' pings are left out."""
        return self._synchronise(again=EVENT_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def _synchronise(self, again: float) -> list[Row]:
        """Comment on our own change, every `again` seconds, until the last comment is heard."""
        assert self._ping is not None
        events: list[Row] = []
        deadline = time.monotonic() + EVENT_SECONDS
        while time.monotonic() < deadline:
            word = f"ping-{next(_count)}"
            said = self._site.review(f"--message {word} {self._ping.number},1", "dev")
            assert said.exit_code == 0, said.stderr
            if self._await(word, again, events):
                return events
        raise AssertionError(f"no event in {EVENT_SECONDS} s")

    def _await(self, word: str, seconds: float, events: list[Row]) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = json.loads(self._lines.get(timeout=left))
            except queue.Empty:
                return False
            if word in event.get("comment", ""):
                return True
            if not self._is_own(event):
                events.append(event)
        return False

    def _is_own(self, event: Row) -> bool:
        assert self._ping is not None
        update = event.get("refUpdate", {})
        return self._ping.project in (event.get("project"), update.get("project"))


def pushed(site: GerritSite, project: str, subject: str = "A change", **options: object) -> Upload:
    return site.developer.upload(project, subject, **options)  # type: ignore[arg-type]
