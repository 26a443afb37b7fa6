"""Just enough of git: commits with files, and merges that can conflict.

A tree's id depends on nothing but its files, so "what landed is what was tested" can be checked
by comparing two ids, whatever the histories are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_TREE_SPACE = 1 << 160


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha1(text.encode()).digest(), "big")


def tree_id(files: Mapping[str, str]) -> str:
    """An id of the content alone; the sum makes the order of files irrelevant."""
    total = sum(_number(f"{path}\0{content}") for path, content in files.items())
    return f"{total % _TREE_SPACE:040x}"


@dataclass(frozen=True, slots=True, eq=False)
class Commit:
    """A commit with its whole content."""

    sha: str
    subject: str
    files: Mapping[str, str]
    tree: str
    parent: Commit | None = field(default=None, repr=False)
    #: shas of all commits in its history, itself included
    contains: frozenset[str] = field(default=frozenset(), repr=False)
    #: subjects in the order in which they were integrated
    subjects: tuple[str, ...] = ()

    def ancestry(self) -> Iterator[Commit]:
        """First parents, nearest first, without itself."""
        commit = self.parent
        while commit is not None:
            yield commit
            commit = commit.parent


def make_commit(
    subject: str,
    parent: Commit | None,
    edits: Mapping[str, str | None],
    *,
    merged: Commit | None = None,
    salt: str = "",
) -> Commit:
    """A commit of `edits` (None deletes) on `parent`; `merged` is a second parent."""
    files = dict(parent.files) if parent else {}
    for path, content in edits.items():
        if content is None:
            files.pop(path, None)
        else:
            files[path] = content
    tree = tree_id(files)
    parents = f"{parent.sha if parent else ''} {merged.sha if merged else ''}"
    sha = hashlib.sha1(f"{parents}\0{tree}\0{subject}\0{salt}".encode()).hexdigest()
    contains = frozenset({sha})
    subjects: tuple[str, ...] = ()
    if parent:
        contains |= parent.contains
        subjects = parent.subjects
    if merged:
        contains |= merged.contains
        subjects += tuple(s for s in merged.subjects if s not in subjects)
    else:
        subjects += (subject,)
    return Commit(sha, subject, files, tree, parent, contains, subjects)


def _merge_base(onto: Commit, patch: Commit) -> Commit:
    return next(commit for commit in patch.ancestry() if commit.sha in onto.contains)


def merge(onto: Commit, patch: Commit, *, cherry_pick: bool = False) -> Commit | None:
    """`patch` merged onto `onto`, file by file; None where both sides changed a file.

    Cherry-picking takes the patch's own edits alone, and never fast-forwards.
    """
    if patch.sha in onto.contains and not cherry_pick:
        return onto
    if onto.sha in patch.contains and not cherry_pick:
        return patch
    base = patch.parent if cherry_pick else _merge_base(onto, patch)
    assert base is not None, "a root commit cannot be merged"
    edits: dict[str, str | None] = {}
    for path in base.files.keys() | patch.files.keys():
        was, theirs, ours = base.files.get(path), patch.files.get(path), onto.files.get(path)
        if theirs in (was, ours):
            continue
        if ours != was:
            return None
        edits[path] = theirs
    if cherry_pick:
        return make_commit(patch.subject, onto, edits, salt=patch.sha)
    return make_commit(f"Merge {patch.subject}", onto, edits, merged=patch)
