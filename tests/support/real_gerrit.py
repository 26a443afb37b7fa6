"""A real Gerrit 3.9.4 on loopback, for contract and acceptance tests.

The site is initialised and set up once (accounts, labels, rights) and kept as a template below
the user's cache folder; every start copies it, so that a start costs the daemon's time only.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.sandbox.developer import Developer
from tests.sandbox.endpoint import GerritEndpoint
from tests.sandbox.process import Block
from tests.support.real_gerrit_daemon import end, start_daemon
from tests.support.real_gerrit_template import RealGerritUnavailable, ensure_template

__all__ = ["RealGerrit", "RealGerritUnavailable"]


class RealGerrit(Block):
    """One running Gerrit in a folder of its own; start() and stop(), or a `with` block."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="real-gerrit-"))
        self.site = self._folder / "site"
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint: GerritEndpoint

    def end(self) -> None:
        self.stop()

    def start(self) -> Self:
        """Copy the template (made first if need be) and run the daemon on free ports."""
        try:
            template = ensure_template()
            shutil.copytree(template, self._folder, dirs_exist_ok=True)
            self._run_daemon()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the daemon and remove its folder; may be called twice."""
        if self._process is not None:
            end(self._process)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_project(
        self,
        name: str,
        submit_type: str = "MERGE_IF_NECESSARY",
        files: Mapping[str, str] | None = None,
    ) -> None:
        """A repository whose master has one empty commit, and one with `files` if given."""
        body = {"create_empty_commit": True, "submit_type": submit_type}
        path = f"/projects/{quote(name, safe='')}"
        answer = self.endpoint.rest("admin", "PUT", path, body)
        if answer.status != 201:
            raise RuntimeError(f"project {name}: HTTP {answer.status} {answer.text}")
        if files:
            admin = Developer(self.endpoint, "admin", self._folder / "admin")
            tree = admin.start(name)
            admin.commit(name, "Add the first files", files)
            admin.git(tree, "push", "-q", "origin", "HEAD:refs/heads/master")

    def create_branch(self, project: str, branch: str, revision: str = "master") -> None:
        path = f"/projects/{quote(project, safe='')}/branches/{quote(branch, safe='')}"
        answer = self.endpoint.rest("admin", "PUT", path, {"revision": revision})
        if answer.status != 201:
            raise RuntimeError(f"branch {branch}: HTTP {answer.status} {answer.text}")

    def _run_daemon(self) -> None:
        self._process, self.endpoint = start_daemon(self.site, self._folder / "keys")
