"""What the people of an acceptance test do: push, approve, look at votes. Any Gerrit."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from tests.demo.review import Review, read_review
from tests.sandbox.developer import Developer, Upload
from tests.support.processes import wait_for
from tests.support.suite import Suite

#: fails if any file of the project is called `broken`, takes as long as a file `slow` says
_SCRIPT = """
import os, sys, time
root = os.environ["ZUUL_PROJECT"]
print(sorted(os.listdir(root)))
slow = os.path.join(root, "slow")
time.sleep(float(open(slow).read()) if os.path.exists(slow) else 0.1)
sys.exit(1 if os.path.exists(os.path.join(root, "broken")) else 0)
"""
JOBS = {name: [sys.executable, "-c", _SCRIPT] for name in ("unit", "shared")}

LAYOUT = """\
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: (?i)^(Patch Set [0-9]+:)?\\s*recheck
    success:
      gerrit: {Verified: 1}
    failure:
      gerrit: {Verified: -1}

  - name: gate
    manager: DependentPipelineManager
    precedence: high
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Workflow: 1}]
    start:
      gerrit: {Verified: 0}
    success:
      gerrit: {Verified: 2, submit: true}
    failure:
      gerrit: {Verified: -2}

  - name: post
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: ref-updated
          ref: ^(?!refs/(changes|meta|tags)).*$

projects:
  - name: acme/one
    check: [unit]
    gate: [unit, shared]
    post: [unit]
  - name: acme/two
    check: [unit]
    gate: [unit, shared]
"""


class Site:
    """A Gerrit with people, and the suite that watches it."""

    def __init__(self, gerrit: Any, suite: Suite, folder: Path) -> None:
        self.gerrit = gerrit
        self.suite = suite
        self.endpoint = suite.endpoint
        self.developer = Developer(self.endpoint, "dev", folder)

    def push(self, project: str, subject: str, **options: Any) -> Upload:
        return self.developer.upload(project, subject, **options)

    def approve(self, *uploads: Upload, patchset: int = 1) -> None:
        for upload in uploads:
            self.say(upload, "--label Code-Review=2 --label Workflow=1", patchset)

    def say(self, upload: Upload, words: str, patchset: int = 1) -> None:
        said = self.endpoint.ssh("core", f"gerrit review {words} {upload.number},{patchset}")
        assert said.exit_code == 0, said.stderr

    def review(self, upload: Upload) -> Review:
        return read_review(self.endpoint, upload.number)

    def find_review(self, upload: Upload) -> Review | None:
        """None while the server's index does not have the change yet."""
        with contextlib.suppress(LookupError):
            return self.review(upload)
        return None

    def expect_vote(self, upload: Upload, vote: str, seconds: float = 60) -> Review:
        def look() -> Review | None:
            review = self.find_review(upload)
            return review if review and f"{vote} by zuul" in review.votes else None

        return wait_for(look, f"vote {vote}", seconds, lambda: self.explain(upload))

    def expect_merged(self, upload: Upload, seconds: float = 90) -> Review:
        def look() -> Review | None:
            review = self.find_review(upload)
            return review if review and review.status == "MERGED" else None

        return wait_for(look, "merge", seconds, lambda: self.explain(upload))

    def expect_idle(self, seconds: float = 60) -> None:
        wait_for(self.suite.is_idle, "empty queues", seconds, self.suite.logs)

    def expect_item(self, pipeline: str, upload: Upload, patchset: int = 1) -> dict[str, Any]:
        key = f"{upload.number},{patchset}"

        def look() -> dict[str, Any] | None:
            return next((i for i in self.suite.items(pipeline) if i["id"] == key), None)

        return wait_for(look, f"item {key} in {pipeline}", 30, self.suite.logs)

    def explain(self, upload: Upload) -> str:
        return f"{self.find_review(upload)}\n{self.suite.logs()}"

    def build_logs(self) -> str:
        """What the builds printed, all of them."""
        logs = self.suite.folder.glob("worker-*/**/*.txt")
        return "\n".join(path.read_text(errors="replace") for path in logs)
