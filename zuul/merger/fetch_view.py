"""A second set of refs on a clone's objects: the side of it that fetches.

    .git/            what is served: branches, tags, thousands of refs/zuul/*
    .git/zuul-fetch  branches and tags only; its objects are those of .git

Before and after every fetch git walks all refs of the repository, and the trees behind them: with
many published refs that takes seconds. Here it sees the branches alone, and a fetch costs the same
whatever has been published.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from zuul.errors import MergerError
from zuul.lib.git import Git, GitResult, Limits
from zuul.merger.failures import CloneBroken
from zuul.merger.fetching import ALL_BRANCHES_AND_TAGS, FETCH, failure_of, parse_fetched

FOLDER = "zuul-fetch"


class FetchView:
    """Fetches from `url` into the repository at `git_folder`. Raises MergerError."""

    def __init__(self, git: Git, git_folder: Path, url: str, limits: Limits, advice: str) -> None:
        self._git = git
        self._served = {"GIT_DIR": str(git_folder)}
        self._folder = git_folder / FOLDER
        self._view = {
            "GIT_DIR": str(self._folder),
            "GIT_OBJECT_DIRECTORY": str(git_folder / "objects"),
        }
        self._url = url
        self._limits = limits
        self._advice = advice

    def prepare(self) -> None:
        """Make the view if it is not there, as in a clone that an earlier version made."""
        if (self._folder / "HEAD").is_file():
            return
        seconds = self._limits.local_seconds
        _check(
            self._git.run(["init", "-q", "--bare", "--template=", "--", str(self._folder)], seconds)
        )
        branches = self._list(self._served, "refs/heads/")
        self._change(self._view, [f"update {ref} {commit}\n" for ref, commit in branches.items()])

    def fetch(self, refspecs: Sequence[str]) -> dict[str, str]:
        """Fetch these; returns {full ref at the origin: commit}. Branches stay in the view."""
        self._fetch([], refspecs, self._limits.fetch_seconds)
        fetch_head = (self._folder / "FETCH_HEAD").read_text(errors="surrogateescape")
        return parse_fetched(fetch_head)

    def update(self) -> None:
        """All branches and tags as at the origin, in the view and then where they are served."""
        self._fetch(["--prune"], ALL_BRANCHES_AND_TAGS, self._limits.clone_seconds)
        wanted = self._list(self._view, "refs/heads/", "refs/tags/")
        served = self._list(self._served, "refs/heads/", "refs/tags/")
        # Removed first: one that is gone may stand in the way of one that nests under its name.
        self._change(self._served, [f"delete {ref}\n" for ref in served if ref not in wanted])
        self._change(
            self._served,
            [f"update {ref} {at}\n" for ref, at in wanted.items() if served.get(ref) != at],
        )
        self._point_head([ref for ref in wanted if ref.startswith("refs/heads/")])

    def _fetch(self, options: Sequence[str], refspecs: Sequence[str], seconds: float) -> None:
        result = self._git.run(
            [*FETCH, *options, "--", self._url, *refspecs], seconds, environment=self._view
        )
        if not result.is_ok:
            raise failure_of(result, self._advice)
        if has_errors(result):
            raise CloneBroken(result.reason)

    def _point_head(self, branches: Sequence[str]) -> None:
        """HEAD to the branch that HEAD is at the origin, or to the first branch there is."""
        listed = self._git.run(
            ["ls-remote", "--symref", "--", self._url, "HEAD"],
            self._limits.fetch_seconds,
            environment=self._view,
        )
        wanted = ""
        for line in listed.output.splitlines():
            target, _, name = line.partition("\t")
            if target.startswith("ref: refs/heads/") and name == "HEAD":
                wanted = target.removeprefix("ref: ")
        if wanted not in branches:
            wanted = branches[0] if branches else ""
        if wanted:
            _check(
                self._git.run(
                    ["symbolic-ref", "--", "HEAD", wanted],
                    self._limits.local_seconds,
                    environment=self._served,
                )
            )

    def _list(self, where: dict[str, str], *prefixes: str) -> dict[str, str]:
        listed = self._git.run(
            ["for-each-ref", "--format=%(objectname) %(refname)", *prefixes],
            self._limits.local_seconds,
            environment=where,
        )
        _check(listed)
        pairs = (line.split(" ", 1) for line in listed.output.splitlines())
        return {ref: commit for commit, ref in pairs}

    def _change(self, where: dict[str, str], commands: Sequence[str]) -> None:
        if not commands:
            return
        with tempfile.TemporaryFile() as stdin:
            stdin.writelines(line.encode(errors="surrogateescape") for line in commands)
            stdin.seek(0)
            _check(
                self._git.run(
                    ["update-ref", "--stdin"],
                    self._limits.local_seconds,
                    environment=where,
                    stdin=stdin,
                )
            )


def has_errors(result: GitResult) -> bool:
    """Whether git found something wrong here and went on; what the origin says is marked so."""
    return any(line.startswith("error:") for line in result.errors.splitlines())


def _check(result: GitResult) -> None:
    if result.was_killed:
        raise MergerError(result.reason)
    if not result.is_ok:
        raise CloneBroken(result.reason)
