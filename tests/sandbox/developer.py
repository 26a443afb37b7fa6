"""A person with a work tree, who commits and pushes over real SSH, to any Gerrit."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.endpoint import GerritEndpoint

_CHANGE_URL = re.compile(r"/c/(?P<project>.+)/\+/(?P<number>\d+)\b")
_count = itertools.count(1)


class PushRejected(Exception):
    """git push ended non-zero; `output` is what it wrote to stderr."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


@dataclass(frozen=True, slots=True)
class Upload:
    """A pushed change: its number, Change-Id and commit."""

    project: str
    branch: str
    number: int
    change_id: str
    revision: str


def make_change_id() -> str:
    """A Change-Id nobody used yet: `I` and forty hex digits."""
    seed = f"{os.getpid()} {next(_count)} {os.urandom(8).hex()}"
    return "I" + hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()


class Developer:
    """One account with a folder of clones; every method is a git command or a few."""

    def __init__(self, endpoint: GerritEndpoint, username: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.username = username
        self.folder = folder
        self._environment = endpoint.git_environment(username)

    def work_tree(self, project: str) -> Path:
        """The clone of `project`, made on first use."""
        tree = self.folder / project
        if not (tree / ".git").exists():
            tree.parent.mkdir(parents=True, exist_ok=True)
            self.git(None, "clone", "-q", self.url(project), str(tree))
        return tree

    def url(self, project: str) -> str:
        return self.endpoint.ssh_url(self.username, project)

    def git(self, tree: Path | None, *arguments: str) -> str:
        """stdout of a git command; raises PushRejected for a push, RuntimeError otherwise."""
        return self._run(tree, arguments)[0]

    def start(self, project: str, branch: str = "master", onto: str | None = None) -> Path:
        """Fetch, and check out the branch's head or `onto` (a revision or change ref) there."""
        tree = self.work_tree(project)
        wanted = onto if onto and onto.startswith("refs/") else f"refs/heads/{branch}"
        if onto is None or onto.startswith("refs/"):
            self.git(tree, "fetch", "-q", "origin", wanted)
            revision = "FETCH_HEAD"
        else:
            revision = onto
        self.git(tree, "checkout", "-q", "--force", "--detach", revision)
        return tree

    def commit(
        self,
        project: str,
        subject: str,
        files: Mapping[str, str],
        *,
        change_id: str | None = None,
        footers: Sequence[str] = (),
    ) -> tuple[str, str]:
        """Commit on what is checked out; answers (revision, Change-Id)."""
        tree = self.work_tree(project)
        change_id = change_id or make_change_id()
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            self.git(tree, "add", "--", name)
        trailer = "\n".join([*footers, f"Change-Id: {change_id}"])
        self.git(tree, "commit", "-q", "--allow-empty", "-m", f"{subject}\n\n{trailer}")
        return self.head(project), change_id

    def head(self, project: str) -> str:
        return self.git(self.work_tree(project), "rev-parse", "HEAD").strip()

    def push(self, project: str, branch: str = "master", options: str = "") -> dict[int, str]:
        """Push HEAD to refs/for/`branch``options`; answers {change number: line shown for it}.

        Raises PushRejected with what git said.
        """
        target = f"HEAD:refs/for/{branch}{options}"
        _out, said = self._run(self.work_tree(project), ("push", "origin", target))
        numbers = {}
        for line in said.splitlines():
            found = _CHANGE_URL.search(line)
            if found:
                numbers[int(found["number"])] = line.removeprefix("remote:").strip()
        return numbers

    def upload(
        self,
        project: str,
        subject: str,
        files: Mapping[str, str] | None = None,
        *,
        branch: str = "master",
        onto: str | None = None,
        change_id: str | None = None,
        footers: Sequence[str] = (),
        options: str = "",
    ) -> Upload:
        """Commit and push one change: a new one, or (given its `change_id`) a new patch set."""
        self.start(project, branch, onto)
        files = files if files is not None else {f"{subject.replace(' ', '-')}.txt": subject + "\n"}
        revision, change_id = self.commit(
            project, subject, files, change_id=change_id, footers=footers
        )
        numbers = self.push(project, branch, options)
        return Upload(project, branch, max(numbers), change_id, revision)

    def fetch_file(self, project: str, ref: str, name: str) -> str:
        """Text of a file as the server has it at `ref` now."""
        tree = self.work_tree(project)
        self.git(tree, "fetch", "-q", "origin", ref)
        return self.git(tree, "show", f"FETCH_HEAD:{name}")

    def _run(self, tree: Path | None, arguments: Sequence[str]) -> tuple[str, str]:
        done = subprocess.run(
            ["git", *arguments],
            cwd=tree,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        out = done.stdout.decode("utf-8", "replace")
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode != 0:
            if arguments[0] == "push":
                raise PushRejected(said)
            raise RuntimeError(f"git {' '.join(arguments)}: {said}")
        return out, said
