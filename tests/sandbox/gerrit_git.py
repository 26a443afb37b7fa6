"""The repositories behind the sandbox Gerrit: bare, real, read and merged with libgit2.

Packs from and to clients go through the git program (gerrit_packs); this module only looks at
commits, moves refs and makes merges. All of it is quick and synchronous.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import DeltaStatus, DiffFind, SortMode

from tests.sandbox.gerrit_model import FileChange, Kind

ZERO = "0" * 40
_TYPES = {
    DeltaStatus.ADDED: "ADDED",
    DeltaStatus.MODIFIED: "MODIFIED",
    DeltaStatus.DELETED: "DELETED",
    DeltaStatus.RENAMED: "RENAMED",
    DeltaStatus.COPIED: "COPIED",
    DeltaStatus.TYPECHANGE: "REWRITE",
}


class MergeConflictError(Exception):
    """git could not merge the two sides."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Name and address that go into a commit made by the server."""

    name: str
    email: str
    when: int


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What a review needs to know of a commit; times are epoch seconds."""

    revision: str
    parents: tuple[str, ...]
    message: str
    author: Signature
    committer: Signature
    author_tz: int
    committer_tz: int


class Repository:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._git = pygit2.Repository(str(path))
        #: Every ref is moved through this object; reading them all each time would be slow.
        self._refs = {
            name: str(self._git.references[name].resolve().target) for name in self._git.references
        }

    @classmethod
    def create(cls, path: Path, author: Signature) -> Repository:
        """A bare repository whose master has one empty commit."""
        path.parent.mkdir(parents=True, exist_ok=True)
        pygit2.init_repository(str(path), bare=True, initial_head="master")
        made = cls(path)
        tree = str(made._git.TreeBuilder().write())
        revision = made.commit(tree, (), "Initial empty repository\n", author, author)
        made.set_ref("refs/heads/master", revision)
        return made

    # -- refs ----------------------------------------------------------------------------------

    def ref(self, name: str) -> str | None:
        """The revision a ref points to, None if there is no such ref."""
        return self._refs.get(name)

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """All refs below a prefix, sorted by name."""
        return {n: self._refs[n] for n in sorted(self._refs) if n.startswith(prefix)}

    def heads(self) -> list[str]:
        """The revisions of all branches."""
        return [r for name, r in self._refs.items() if name.startswith("refs/heads/")]

    def set_ref(self, name: str, revision: str) -> None:
        """Point a ref somewhere, or remove it (40 zeros)."""
        if revision == ZERO:
            self._git.references.delete(name)
            self._refs.pop(name, None)
        else:
            self._git.references.create(name, revision, force=True)
            self._refs[name] = revision

    # -- commits -------------------------------------------------------------------------------

    def facts(self, revision: str) -> CommitFacts:
        commit = self._commit(revision)
        return CommitFacts(
            str(commit.id),
            tuple(str(p) for p in commit.parent_ids),
            commit.message,
            _signature(commit.author),
            _signature(commit.committer),
            commit.author.offset,
            commit.committer.offset,
        )

    def new_commits(self, tip: str, known: Iterable[str]) -> list[str]:
        """Commits reachable from `tip` and from none of `known`, oldest first."""
        order = SortMode.TOPOLOGICAL | SortMode.REVERSE
        walker = self._git.walk(pygit2.Oid(hex=tip), order)
        for revision in known:
            walker.hide(pygit2.Oid(hex=revision))
        return [str(commit.id) for commit in walker]

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return ancestor == descendant or self._git.descendant_of(descendant, ancestor)

    def files(self, revision: str) -> tuple[FileChange, ...]:
        """Paths changed against the first parent, after `/COMMIT_MSG`; renames are found."""
        commit = self._commit(revision)
        message = FileChange("/COMMIT_MSG", "ADDED", self._message_lines(commit), 0)
        if commit.parents:
            diff = commit.parents[0].tree.diff_to_tree(commit.tree)
        else:
            diff = commit.tree.diff_to_tree(swap=True)
        diff.find_similar(DiffFind.FIND_RENAMES)
        return (message, *(_file_change(patch) for patch in diff))

    def read(self, revision: str, path: str) -> str:
        """Text of a file; raises KeyError if it is not there."""
        blob = self._commit(revision).tree[path]
        return bytes(blob.data).decode("utf-8", "replace")

    # -- making commits ------------------------------------------------------------------------

    def commit(
        self,
        tree: str,
        parents: Iterable[str],
        message: str,
        author: Signature,
        committer: Signature,
    ) -> str:
        made = self._git.create_commit(
            None, _pygit2(author), _pygit2(committer), message, tree, list(parents)
        )
        return str(made)

    def tree_with(self, base: str, files: Mapping[str, str | None]) -> str:
        """Tree of `base` with these files written over it, or removed where None."""
        index = pygit2.Index()
        index.read_tree(self._commit(base).tree)
        for path, text in files.items():
            if text is None:
                index.remove(path)
                continue
            blob = self._git.create_blob(text.encode())
            index.add(pygit2.IndexEntry(path, blob, pygit2.enums.FileMode.BLOB))
        return str(index.write_tree(self._git))

    def merge(self, ours: str, theirs: str) -> str:
        """Tree of merging two commits; raises MergeConflictError."""
        index = self._git.merge_commits(pygit2.Oid(hex=ours), pygit2.Oid(hex=theirs))
        return self._written(index)

    def pick(self, base: str, revision: str) -> str:
        """Tree of applying what `revision` changed on top of `base`; raises MergeConflictError."""
        commit = self._commit(revision)
        ancestor = commit.parents[0].tree
        index = self._git.merge_trees(ancestor, self._commit(base).tree, commit.tree)
        return self._written(index)

    def kind(self, old: str, new: str) -> Kind:
        """What the new patch set's commit is to the old one's."""
        before, after = self._commit(old), self._commit(new)
        if list(before.parent_ids) == list(after.parent_ids):
            if before.tree_id != after.tree_id:
                return Kind.REWORK
            same = before.message == after.message
            return Kind.NO_CHANGE if same else Kind.NO_CODE_CHANGE
        if len(before.parents) != 1 or len(after.parents) != 1:
            return Kind.REWORK
        try:
            rebased = self.pick(str(after.parents[0].id), old)
        except MergeConflictError:
            return Kind.REWORK
        same = rebased == str(after.tree_id) and before.message == after.message
        return Kind.TRIVIAL_REBASE if same else Kind.REWORK

    def _written(self, index: pygit2.Index) -> str:
        if index.conflicts is not None:
            raise MergeConflictError(", ".join(sorted(_conflicting_paths(index))))
        return str(index.write_tree(self._git))

    def _commit(self, revision: str) -> pygit2.Commit:
        found = self._git.get(revision)
        if not isinstance(found, pygit2.Commit):
            raise KeyError(f"no commit {revision}")
        return found

    def _message_lines(self, commit: pygit2.Commit) -> int:
        """Lines of Gerrit's /COMMIT_MSG: parents, author, committer, blank, message."""
        header = 6 if len(commit.parents) < 2 else 6 + len(commit.parents)
        return header + commit.message.count("\n") + (not commit.message.endswith("\n"))


def _conflicting_paths(index: pygit2.Index) -> set[str]:
    sides = (side for entry in index.conflicts or () for side in entry)
    return {side.path for side in sides if side is not None}


def _file_change(patch: pygit2.Patch) -> FileChange:
    delta = patch.delta
    _context, insertions, deletions = patch.line_stats
    kind = _TYPES.get(delta.status, "MODIFIED")
    renamed = kind in ("RENAMED", "COPIED")
    old_path = delta.old_file.path if renamed else None
    old, new = delta.old_file, delta.new_file
    return FileChange(
        new.path,
        kind,
        insertions,
        deletions,
        old_path,
        int(old.mode) or None,
        int(new.mode) or None,
        old.size,
        new.size,
    )


def _signature(signature: pygit2.Signature) -> Signature:
    return Signature(signature.name, signature.email, signature.time)


def _pygit2(signature: Signature) -> pygit2.Signature:
    return pygit2.Signature(signature.name, signature.email, signature.when, 0)
