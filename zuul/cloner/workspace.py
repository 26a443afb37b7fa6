"""One clone in the workspace: a work tree that is brought to a commit, and cleaned.

A workspace may be used again, after a build that was killed at any point: everything here may be
done again. What a repository holds was written by others, and is never run.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from zuul.cloner.plan import PROTOCOLS
from zuul.errors import CloneError
from zuul.lib.git import Git, GitResult, Limits
from zuul.lib.logs import fields

log = logging.getLogger("zuul.Cloner")

#: pauses before an origin that cannot be reached is tried again
RETRY_PAUSES_SECONDS = (2.0, 10.0)
_FETCH = ("fetch", "--quiet", "--no-auto-maintenance", "--no-recurse-submodules", "--force")
_BRANCHES = "+refs/heads/*:refs/remotes/origin/*"
_TAGS = "+refs/tags/*:refs/tags/*"
_TRACKED = "refs/remotes/origin/"
#: what a server says that has no such ref, or no such repository
_NOT_THERE = re.compile(
    r"couldn't find remote ref|(?:repository|project)\b.{0,300}\bnot found"
    r"|does not appear to be a git repository|repository not exported",
    re.IGNORECASE,
)
_SYMREF = re.compile(r"ref: refs/heads/(\S+)\tHEAD")


class WorkTree:
    """The clone of one project at `folder`."""

    def __init__(
        self,
        project: str,
        folder: Path,
        limits: Limits,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.project = project
        self.folder = folder
        self._limits = limits
        self._sleep = sleep
        self._git = Git(folder, _environment(), PROTOCOLS)

    # -- the repository ------------------------------------------------------------------------

    def open(self, workspace: Path, url: str, cache: Path | None) -> None:
        """Make it a clone of `url`, from the cache as far as that helps. Raises CloneError."""
        self._check_place(workspace)
        is_new = not os.path.lexists(self.folder / ".git")
        if is_new and self.folder.exists() and any(self.folder.iterdir()):
            self._fail(f"{self.folder} is not empty, and no clone")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_place(workspace)
        self._must(self._local(["init", "--quiet", "--template=", "--", "."]))
        self._remove_stale_locks()
        for key, value in (
            ("remote.origin.url", url),
            ("remote.origin.fetch", _BRANCHES),
        ):
            self._must(self._local(["config", "--replace-all", "--", key, value]))
        if is_new and cache is not None:
            self._take_from_cache(cache)

    def _check_place(self, workspace: Path) -> None:
        """Another clone may hold links that lead elsewhere; nothing is written through them."""
        root, place = workspace.resolve(), self.folder.resolve()
        if not place.is_relative_to(root) or (self.folder / ".git").is_symlink():
            self._fail(f"{self.folder} leads out of the workspace")
        if ".git" in place.relative_to(root).parts:
            self._fail(f"{self.folder} leads into the files of another clone")

    def _remove_stale_locks(self) -> None:
        """No git of ours runs: what is locked was left by one that was killed."""
        folder = self.folder / ".git"
        for lock in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
            lock.unlink(missing_ok=True)
            log.warning("Removed a stale lock %s", fields(project=self.project, path=lock))

    def _take_from_cache(self, cache: Path) -> None:
        begin = time.monotonic()
        result = self._git.run(
            [*_FETCH, "--no-tags", "--", cache.absolute().as_uri(), _BRANCHES, _TAGS],
            self._limits.clone_seconds,
        )
        facts = fields(project=self.project, path=cache, seconds=round(time.monotonic() - begin, 1))
        if result.is_ok:
            log.info("Took from the cache %s", facts)
        else:
            log.warning("The cache is of no use %s %s", facts, fields(reason=result.reason))

    # -- fetching ------------------------------------------------------------------------------

    def update(self) -> None:
        """Branches and tags as they are at the origin; local branches follow. Raises CloneError."""
        arguments = ["--prune", "--no-tags", "--", "origin", _BRANCHES, _TAGS]
        self._must(self._fetch(arguments, self._limits.clone_seconds))
        self._follow_origin()

    def fetch(self, url: str, ref: str) -> str | None:
        """The commit of a ref elsewhere; None if it is not there. Raises CloneError."""
        result = self._fetch(["--no-tags", "--", url, ref], self._limits.fetch_seconds)
        if result.is_ok:
            return self.find_commit("FETCH_HEAD")
        if not _NOT_THERE.search(result.errors):
            # not to be taken for a ref that is not there: the build would test something else
            self._fail(f"cannot fetch {ref}: {result.reason}")
        return None

    def _fetch(self, arguments: list[str], seconds: float) -> GitResult:
        result = self._git.run([*_FETCH, *arguments], seconds)
        for pause in RETRY_PAUSES_SECONDS:
            if result.is_ok or _NOT_THERE.search(result.errors):
                break
            log.warning("Fetching again %s", fields(project=self.project, reason=result.reason))
            self._sleep(pause)
            result = self._git.run([*_FETCH, *arguments], seconds)
        return result

    def _follow_origin(self) -> None:
        """Each branch of the origin is a local one too, for `git checkout BRANCH` in a job."""
        known = self._refs("refs/heads/")
        tracked = self._refs(_TRACKED)
        folders = {name[:end] for name in tracked for end in _slashes(name)}
        in_the_way = [
            f"delete refs/heads/{name}"
            for name in known.keys() - tracked.keys()
            if name in folders or any(name[:end] in tracked for end in _slashes(name))
        ]
        changed = [
            f"update refs/heads/{name} {commit}"
            for name, commit in tracked.items()
            if known.get(name) != commit
        ]
        for commands in (in_the_way, changed):
            if commands:
                text = "".join(f"{command}\n" for command in commands)
                self._must(self._local(["update-ref", "--stdin"], text))

    def _refs(self, prefix: str) -> dict[str, str]:
        """Commits of the refs under the prefix, by the rest of their names."""
        listed = self._local(["for-each-ref", "--format=%(objectname) %(refname)", prefix])
        self._must(listed)
        pairs = (line.partition(" ") for line in listed.output.splitlines())
        return {name.removeprefix(prefix): commit for commit, _, name in pairs}

    # -- looking -------------------------------------------------------------------------------

    def find_branch(self, branch: str) -> str | None:
        """The commit of a branch of the origin."""
        return self.find_commit(f"{_TRACKED}{branch}")

    def find_commit(self, revision: str) -> str | None:
        found = self._local(["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"])
        return found.output.strip() if found.is_ok else None

    def find_default(self) -> str | None:
        """The branch that the origin's HEAD names."""
        command = ["ls-remote", "--symref", "--", "origin", "HEAD"]
        found = _SYMREF.match(self._git.run(command, self._limits.fetch_seconds).output)
        return found[1] if found else None

    # -- the work tree -------------------------------------------------------------------------

    def check_out(self, commit: str) -> None:
        """Exactly this commit, and nothing else, on no branch. Raises CloneError."""
        self._must(self._local(["update-ref", "--no-deref", "HEAD", commit]))
        reset = ["reset", "--quiet", "--hard"]
        result = self._git.run(reset, self._limits.maintenance_seconds)
        if not result.is_ok:
            # an index that a killed git left half written
            (self.folder / ".git" / "index").unlink(missing_ok=True)
            result = self._git.run(reset, self._limits.maintenance_seconds)
        self._must(result)
        clean = ["clean", "--quiet", "-x", "--force", "-d"]
        self._must(self._git.run(clean, self._limits.maintenance_seconds))

    # -- git -----------------------------------------------------------------------------------

    def _local(self, arguments: Sequence[str], text: str | None = None) -> GitResult:
        if text is None:
            return self._git.run(arguments, self._limits.local_seconds)
        with tempfile.TemporaryFile() as stdin:
            stdin.write(os.fsencode(text))
            stdin.seek(0)
            return self._git.run(arguments, self._limits.local_seconds, stdin=stdin)

    def _must(self, result: GitResult) -> None:
        if not result.is_ok:
            self._fail(result.reason)

    def _fail(self, reason: str) -> NoReturn:
        raise CloneError(f"{self.project}: {reason}", project=self.project)


def _slashes(name: str) -> list[int]:
    return [index for index, letter in enumerate(name) if letter == "/"]


def _environment() -> dict[str, str]:
    """ssh asks nobody: a host key that is not known is an error."""
    if "GIT_SSH" in os.environ or "GIT_SSH_COMMAND" in os.environ:
        return {}
    return {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30"}
