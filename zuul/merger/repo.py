"""One clone of one project: fetches into it, the merges inside it, the refs it publishes.

    git_dir/<project>/.git    a repository with no files checked out: everything is merged in
                              objects, so no work tree can be dirty, locked or in the way

Clones belong to one merger process. One that cannot be used is replaced by a new one; what it had
published is then gone.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from zuul.errors import MergerError
from zuul.lib.git import Git, Limits
from zuul.lib.logs import fields
from zuul.merger.cloning import clone, origin_answers, remove_stale_locks
from zuul.merger.combine import Combined, Combiner, Conflict
from zuul.merger.commits import CommitWriter, Identity
from zuul.merger.failures import (
    CloneBroken,
    OriginUnreachable,
    RefNotFound,
    RequestInvalid,
    ResultsLost,
)
from zuul.merger.fetch_view import FetchView, has_errors
from zuul.merger.fetching import BranchClash
from zuul.merger.requests import MergeItem, Origin
from zuul.merger.upkeep import UpkeepPolicy, expire_refs, needs_packing, pack

log = logging.getLogger("zuul.Repo")

PUBLISHED = "refs/zuul"
#: refspecs in one command line
_REFSPECS_AT_ONCE = 200
#: what libgit2 raises when a file of the repository is not what it must be
_DAMAGE = (pygit2.GitError, KeyError, ValueError, OSError)
#: what git takes for the HEAD of a repository
_HEAD = re.compile(rb"ref:[ \t]*refs/[^\s]+\s*|[0-9a-f]{40}\s*")
_NOT_THE_CLONE = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Repo:
    """The clone of `origin` below `git_dir`; made, or repaired, when first needed."""

    def __init__(
        self,
        git_dir: Path,
        origin: Origin,
        *,
        make_git: Callable[[Path], Git],
        identity: Callable[[pygit2.Repository], Identity],
        limits: Limits,
        advice: str,
    ) -> None:
        self.origin = origin
        self.folder = git_dir / origin.project
        self._git_folder = self.folder / ".git"
        self._make_git = make_git
        self._git = make_git(self.folder)
        self._identity = identity
        self._limits = limits
        self._advice = advice
        self._view = FetchView(self._git, self._git_folder, origin.url, limits, advice)
        self._opened: pygit2.Repository | None = None
        self._combiner: Combiner | None = None
        self._is_sound = False
        self._stamp_opened: tuple[tuple[int, int, int] | None, ...] = ()
        if os.path.realpath(self.folder) != os.path.join(os.path.realpath(git_dir), origin.project):
            raise RequestInvalid(f"project: {origin.project!r} leads out of git_dir")

    # -- the clone itself

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Around all work on the clone, which is made if there is none. Raises CloneBroken."""
        try:
            self._ensure()
            yield
        except CloneBroken as broken:
            broken.project = self.origin.project
            raise
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno in _NOT_THE_CLONE:
                raise MergerError(f"{self.origin.project}: {error}") from error
            raise CloneBroken(str(error), project=self.origin.project) from error

    def close(self) -> None:
        """Let go of the files; the next use opens them again and clears stale locks away."""
        if self._opened is not None:
            self._opened.free()
        self._opened = self._combiner = None

    def doubt(self) -> None:
        """Look at all refs again when it is opened next."""
        self._is_sound = False

    def replace(self, cause: Exception) -> None:
        """Make the clone anew; the old one stays until the new one is complete."""
        if not origin_answers(self.folder, self.origin.url, self._make_git, self._limits):
            raise OriginUnreachable(f"the clone is damaged ({cause}); the origin does not answer")
        log.error(
            "Clone is damaged, making a new one %s",
            fields(project=self.origin.project, reason=cause),
        )
        self.close()
        self._clone()

    def _ensure(self) -> None:
        if self._opened is not None and self._stamp() == self._stamp_opened:
            return
        self.close()
        if not self._git_folder.exists():
            log.info("Cloning %s", fields(project=self.origin.project, url=self.origin.url))
            self._clone()
        remove_stale_locks(self._git_folder)
        self._open()

    def _clone(self) -> None:
        clone(self.folder, self.origin.url, self._make_git, self._limits, self._advice)

    def _open(self) -> None:
        opened = pygit2.Repository(str(self._git_folder), RepositoryOpenFlag.NO_SEARCH)
        head = (self._git_folder / "HEAD").read_bytes()
        if not _HEAD.fullmatch(head):
            # libgit2 would go on; those who fetch from the clone could not.
            raise CloneBroken(f"HEAD holds {head[:40]!r}")
        if opened.config["remote.origin.url"] != self.origin.url:
            opened.config["remote.origin.url"] = self.origin.url
        self._view.prepare()
        if not self._is_sound:
            self._check_refs()
        self._stamp_opened = self._stamp()
        self._opened = opened
        writer = CommitWriter(opened, self._identity(opened))
        self._combiner = Combiner(opened, self._git, writer, self._limits)

    def _check_refs(self) -> None:
        """Read every ref's commit once a process: damage shows before work is built on it."""
        listed = self._git.run(
            ["rev-list", "--no-walk", "--all", "--quiet"],
            self._limits.local_seconds,
            environment={"GIT_DIR": str(self._git_folder)},
        )
        if not listed.is_ok or has_errors(listed):
            raise CloneBroken(listed.reason)
        self._is_sound = True

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes when the files that make a folder a repository do."""
        found: list[tuple[int, int, int] | None] = []
        for name in ("HEAD", "config"):
            try:
                stat = (self._git_folder / name).stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    @property
    def _repository(self) -> pygit2.Repository:
        assert self._opened is not None, "ensure() comes first"
        return self._opened

    def needs_packing(self, policy: UpkeepPolicy) -> bool:
        return needs_packing(self._git_folder, policy)

    def pack(self) -> None:
        """Make it small and quick again. Raises MergerError."""
        pack(self._git, self._limits)
        self.close()

    def expire_refs(self, max_age_days: int, now: float, keep: Collection[str]) -> None:
        """Remove published refs with older commits, unless in `keep`. Raises MergerError."""
        expire_refs(self._git, self._limits, max_age_days, now, keep)
        self.close()

    # -- fetching

    def update(self) -> None:
        """All branches and tags as they are at the origin, those gone there included."""
        self._view.update()

    def fetch(self, branches: Sequence[str], refspecs: Sequence[str]) -> dict[str, pygit2.Oid]:
        """Fetch heads of branches, moving them here too, and single refs, all in one go.

        Returns {ref: commit}. Raises RefNotFound for the first that the origin lacks.
        """
        heads = [f"refs/heads/{branch}" for branch in branches]
        wanted = list(dict.fromkeys([*(f"+{head}:{head}" for head in heads), *refspecs]))
        found: dict[str, pygit2.Oid] = {}
        for start in range(0, len(wanted), _REFSPECS_AT_ONCE):
            part = wanted[start : start + _REFSPECS_AT_ONCE]
            try:
                fetched = self._view.fetch(part)
            except BranchClash:
                # A removed branch is in the way of one that nests under its name.
                self.update()
                fetched = self._view.fetch(part)
            found.update({ref: pygit2.Oid(hex=commit) for ref, commit in fetched.items()})
        for head in heads:
            if head in found and self._find(head) != found[head]:
                self._repository.create_reference_direct(head, found[head], force=True)
        return found

    # -- merging

    def holds(self, commit: pygit2.Oid) -> bool:
        return commit in self._repository

    def combine(self, item: MergeItem, onto: pygit2.Oid, change: pygit2.Oid) -> Combined | Conflict:
        """Merge `change`, fetched as the item's refspec, onto a commit."""
        assert self._combiner is not None, "ensure() comes first"
        return self._combiner.combine(item.mode, onto, change, item.refspec, self.origin.url)

    def tree_of(self, commit: pygit2.Oid) -> pygit2.Oid:
        return self._repository[commit].peel(pygit2.Commit).tree_id

    def parents_of(self, commit: pygit2.Oid) -> list[pygit2.Oid]:
        return list(self._repository[commit].peel(pygit2.Commit).parent_ids)

    def head_of(self, branch: str) -> pygit2.Oid:
        """The commit of a branch as last fetched. Raises RefNotFound."""
        found = self._find(f"refs/heads/{branch}")
        if found is None:
            raise RefNotFound(f"refs/heads/{branch}")
        return found

    # -- published refs

    def find_published(self, branch: str, zuul_ref: str) -> pygit2.Oid | None:
        """The commit of refs/zuul/<branch>/<zuul_ref>, if it is there with its objects."""
        found = self._find(f"{PUBLISHED}/{branch}/{zuul_ref}")
        return found if found is not None and self.holds(found) else None

    def publish(self, branch: str, zuul_ref: str, commit: pygit2.Oid) -> None:
        if not self.holds(commit):
            raise ResultsLost(self.origin.project)
        name = f"{PUBLISHED}/{branch}/{zuul_ref}"
        self._repository.create_reference_direct(name, commit, force=True)

    def _find(self, ref: str) -> pygit2.Oid | None:
        try:
            return self._repository.lookup_reference(ref).peel(pygit2.Commit).id
        except KeyError:
            return None
