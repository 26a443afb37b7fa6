"""One change merged onto one commit, by the rules of its merge mode: exactly what git would make.

Three ways to the same answer, the cheapest that can be sure of it:
1. entries decide (trees.py), and in mode merge-resolve libgit2's file merge, which is git's;
2. `git merge-tree`: git's own engine on objects alone, for content and renames in the modes merge
   and cherry-pick (libgit2 follows renames and compares lines by other rules);
3. git itself in a work tree of its own: where attributes choose how a file is merged, or where the
   strategy `resolve` meets several merge bases or what its script decides.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pygit2
from pygit2.enums import MergeFlag

from zuul.errors import MergerError
from zuul.lib.git import Git, GitResult, Limits
from zuul.merger.ancestry import Ancestry, Bases
from zuul.merger.commits import CommitWriter, merge_message
from zuul.merger.failures import CloneBroken
from zuul.merger.trees import EMPTY_TREE, FOLDER, Entry, TreeMerge, TreeStore
from zuul.model.layout import MergeMode

_CONFLICT_STATUSES = (1, 2)
_PLAIN_FILES = (b"100644", b"100755")
_ATTRIBUTES = b".gitattributes"
_DAMAGE = re.compile(
    r"bad (?:object|tree|file)|unable to read|could not read|corrupt|packfile|loose object"
    r"|invalid sha1|missing (?:blob|tree|commit)|not a git repository|\.lock': File exists",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Combined:
    """The commit that holds both."""

    commit: pygit2.Oid


@dataclass(frozen=True, slots=True)
class Conflict:
    """Git would not merge them; `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sides:
    """The three trees of a merge, and the commits they came from."""

    base_tree: pygit2.Oid
    ours: pygit2.Commit
    theirs: pygit2.Commit


class Combiner:
    """Merges changes inside one repository; the results are objects, no ref is touched."""

    def __init__(
        self, repository: pygit2.Repository, git: Git, writer: CommitWriter, limits: Limits
    ) -> None:
        self._repository = repository
        self._git = git
        self._writer = writer
        self._limits = limits
        self._store = TreeStore(repository)
        self.ancestry = Ancestry(repository)

    def combine(
        self, mode: MergeMode, ours: pygit2.Oid, theirs: pygit2.Oid, refspec: str, url: str
    ) -> Combined | Conflict:
        """Merge or pick commit `theirs`, which was fetched as `refspec` of `url`, onto `ours`."""
        our_commit = self._repository[ours].peel(pygit2.Commit)
        their_commit = self._repository[theirs].peel(pygit2.Commit)
        if mode is MergeMode.CHERRY_PICK:
            return self._pick(our_commit, their_commit)
        return self._merge(mode, our_commit, their_commit, merge_message(refspec, url))

    # -- merge, merge-resolve

    def _merge(
        self, mode: MergeMode, ours: pygit2.Commit, theirs: pygit2.Commit, message: str
    ) -> Combined | Conflict:
        bases = self.ancestry.find_bases(ours.id, theirs.id)
        if bases.base is None:
            return Conflict("the change has no history in common with the branch")
        if bases.base == theirs.id:
            return Combined(ours.id)
        if bases.base == ours.id:
            commit = theirs.id
        else:
            tree = self._merge_trees(mode, bases, ours, theirs)
            if isinstance(tree, Conflict):
                return tree
            commit = self._writer.write_merge(tree, [ours.id, theirs.id], message)
        self.ancestry.record(commit, ours.id, bases)
        return Combined(commit)

    def _merge_trees(
        self, mode: MergeMode, bases: Bases, ours: pygit2.Commit, theirs: pygit2.Commit
    ) -> pygit2.Oid | Conflict:
        resolve = mode is MergeMode.MERGE_RESOLVE
        open_paths: tuple[bytes, ...] = ()
        base_tree = self._repository[str(bases.base)].peel(pygit2.Commit).tree_id
        sides = Sides(base_tree, ours, theirs)
        if bases.is_only:
            found = TreeMerge(
                self._store,
                renames=not resolve,
                merge_content=self._file_merge(sides) if resolve else None,
            ).merge(base_tree, ours.tree_id, theirs.tree_id)
            if found.tree is not None:
                return found.tree
            open_paths = found.open
        elif not resolve:
            # Git merges the bases first; which files that touches is not known here.
            open_paths = (b"",)
        if resolve:
            return self._run_in_work_tree(
                ours, ["merge", "--no-edit", "-q", "-s", "resolve"], theirs
            )
        if self._attributes_choose(sides, open_paths):
            return self._run_in_work_tree(ours, ["merge", "--no-edit", "-q"], theirs)
        return self._run_merge_tree(ours.id, theirs.id)

    # -- cherry-pick

    def _pick(self, ours: pygit2.Commit, theirs: pygit2.Commit) -> Combined | Conflict:
        if len(theirs.parent_ids) > 1:
            return Conflict("a merge commit cannot be cherry-picked")
        parent = theirs.parents[0].tree_id if theirs.parent_ids else self._empty_tree()
        sides = Sides(parent, ours, theirs)
        found = TreeMerge(self._store, renames=True).merge(parent, ours.tree_id, theirs.tree_id)
        tree: pygit2.Oid | Conflict
        if found.tree is not None:
            tree = found.tree
        elif self._attributes_choose(sides, found.open):
            tree = self._run_in_work_tree(
                ours, ["cherry-pick", "--allow-empty", "--keep-redundant-commits"], theirs
            )
        else:
            tree = self._run_merge_tree(*self._picture_pick(sides))
        if isinstance(tree, Conflict):
            return tree
        if tree == ours.tree_id:
            return Conflict("the change is empty on this base")
        return Combined(self._writer.write_picked(tree, ours.id, theirs))

    def _picture_pick(self, sides: Sides) -> tuple[pygit2.Oid, pygit2.Oid]:
        """Two commits whose merge is the cherry-pick: `git merge-tree` takes no base of ours
        before git 2.40."""
        base = self._writer.write_merge(sides.base_tree, [], "base\n")
        return (
            self._writer.write_merge(sides.ours.tree_id, [base], "ours\n"),
            self._writer.write_merge(sides.theirs.tree_id, [base], "theirs\n"),
        )

    def _empty_tree(self) -> pygit2.Oid:
        self._store.write({})
        return EMPTY_TREE

    # -- one file, changed on both sides, mode merge-resolve

    def _file_merge(self, sides: Sides) -> _FileMerge:
        return _FileMerge(self._repository, self._store, self, sides)

    # -- git

    def _run_merge_tree(self, ours: pygit2.Oid, theirs: pygit2.Oid) -> pygit2.Oid | Conflict:
        result = self._git.run(
            [
                "merge-tree",
                "--write-tree",
                "--name-only",
                "--no-messages",
                "-z",
                str(ours),
                str(theirs),
            ],
            self._limits.local_seconds,
        )
        fields = result.output.split("\0")
        if result.is_ok:
            return pygit2.Oid(hex=fields[0].strip())
        if result.status == 1 and fields[0]:
            return Conflict("conflict in " + _name_some(fields[1:]))
        raise _unexpected(result)

    def _run_in_work_tree(
        self, ours: pygit2.Commit, command: list[str], theirs: pygit2.Commit
    ) -> pygit2.Oid | Conflict:
        """Let git do it in a work tree made for the purpose."""
        folder = Path(tempfile.mkdtemp(prefix="zuul-merge-", dir=self._repository.path))
        seconds = self._limits.local_seconds
        try:
            added = self._git.run(
                ["worktree", "add", "-q", "-f", "--detach", str(folder / "tree"), str(ours.id)],
                seconds,
            )
            if not added.is_ok:
                raise _unexpected(added)
            inside = replace(self._git, folder=folder / "tree")
            merged = inside.run([*command, str(theirs.id)], seconds, environment=_NOBODY)
            if merged.status in _CONFLICT_STATUSES:
                unmerged = inside.run(["diff", "--name-only", "--diff-filter=U", "-z"], seconds)
                return Conflict("conflict in " + _name_some(unmerged.output.split("\0")))
            if not merged.is_ok:
                raise _unexpected(merged)
            tree = inside.run(["rev-parse", "--verify", "HEAD^{tree}"], seconds)
            if not tree.is_ok:
                raise _unexpected(tree)
            return pygit2.Oid(hex=tree.output.strip())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._git.run(["worktree", "prune"], seconds)

    def _attributes_choose(self, sides: Sides, paths: tuple[bytes, ...]) -> bool:
        """Whether a .gitattributes beside or above one of `paths` may name a way of merging."""
        return any(
            b"merge" in text or b"binary" in text
            for path in paths
            for text in self.read_attributes(sides, path)
        )

    def read_attributes(self, sides: Sides, path: bytes) -> list[bytes]:
        """The .gitattributes of all three trees that apply to `path`."""
        found = []
        for tree in (sides.base_tree, sides.ours.tree_id, sides.theirs.tree_id):
            current: bytes | None = tree.raw
            for name in path.split(b"/"):
                if current is None:
                    break
                entries = self._store.read(current)
                if _ATTRIBUTES in entries:
                    _, text = self._repository.read(pygit2.Oid(raw=entries[_ATTRIBUTES][1]))
                    found.append(text)
                entry = entries.get(name)
                current = entry[1] if entry and entry[0] == FOLDER else None
        return found


@dataclass(frozen=True, slots=True)
class _FileMerge:
    """The file merge of strategy `resolve`: git's own, as libgit2 has it."""

    repository: pygit2.Repository
    store: TreeStore
    combiner: Combiner
    sides: Sides

    def __call__(self, path: bytes, base: Entry, ours: Entry, theirs: Entry) -> Entry | None:
        # Modes differ, symbolic links, submodules: git's script decides, and it mostly refuses.
        if not (base[0] == ours[0] == theirs[0]) or base[0] not in _PLAIN_FILES:
            return None
        if self.combiner.read_attributes(self.sides, path):
            return None
        ancestor, one, other = (
            pygit2.Oid(raw=self.store.write({b"file": entry})) for entry in (base, ours, theirs)
        )
        index = self.repository.merge_trees(ancestor, one, other, flags=MergeFlag(0))
        if index.conflicts is not None:
            return None
        return (ours[0], index["file"].id.raw)


_NOBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "zuul"), ("EMAIL", "zuul@localhost"))
}


def _name_some(paths: list[str]) -> str:
    named = sorted({path for path in paths if path})
    rest = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return ", ".join(named[:5]) + rest or "the change"


def _unexpected(result: GitResult) -> MergerError:
    """Why git ended as it must not. A change that makes git fail, or crash, is not yet a reason to
    give the clone up: only what git says of damaged objects is."""
    if _DAMAGE.search(result.errors) and not result.was_killed:
        return CloneBroken(result.reason)
    return MergerError(f"git could not merge: {result.reason}")
