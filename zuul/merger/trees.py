"""Three-way merges of git trees, entry by entry, without a work tree, an index or a process.

Only folders that both sides changed are read, so the cost follows the change and not the size of
the repository. Where the entries alone do not decide (both sides changed one file, a rename may be
involved, a file became a folder), the path is reported as open and git has to say. The rule not to
break: an answer given here is the one that git itself would give.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType

#: (mode as in the tree object, object id as 20 bytes)
Entry = tuple[bytes, bytes]
Entries = dict[bytes, Entry]
#: path, base, ours, theirs -> the merged entry, or None where that is not for us to say
ContentMerge = Callable[[bytes, Entry, Entry, Entry], Entry | None]

EMPTY_TREE = pygit2.Oid(hex="4b825dc642cb6eb9a060e54bf8d69288fbee4904")
FOLDER = b"40000"

_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class TreeMergeResult:
    """`tree` is None when some paths are `open`: their merge takes more than their entries."""

    tree: pygit2.Oid | None
    open: tuple[bytes, ...] = ()


class TreeStore:
    """Reads and writes the trees of one repository; parsed ones are kept for the next merge."""

    def __init__(self, repository: pygit2.Repository, *, keep: int = 1024) -> None:
        self._repository = repository
        self._parsed: OrderedDict[bytes, Entries] = OrderedDict()
        self._keep = keep

    def read(self, tree: bytes) -> Entries:
        """The entries of a tree. The dictionary is shared: do not change it."""
        entries = self._parsed.get(tree)
        if entries is None:
            _, data = self._repository.read(pygit2.Oid(raw=tree))
            entries = {name: (mode, oid) for mode, name, oid in _ENTRY.findall(data)}
            self._remember(tree, entries)
        else:
            self._parsed.move_to_end(tree)
        return entries

    def write(self, entries: Entries) -> bytes:
        data = b"".join(
            b"%s %s\0%s" % (mode, name, oid)
            for name, (mode, oid) in sorted(entries.items(), key=_git_order)
        )
        tree = self._repository.write(ObjectType.TREE, data).raw
        self._remember(tree, entries)
        return tree

    def _remember(self, tree: bytes, entries: Entries) -> None:
        self._parsed[tree] = entries
        if len(self._parsed) > self._keep:
            self._parsed.popitem(last=False)


def _git_order(item: tuple[bytes, Entry]) -> bytes:
    name, (mode, _) = item
    return name + b"/" if mode == FOLDER else name


class TreeMerge:
    """One three-way merge.

    `renames`: answer as a strategy that follows renames would. Then everything that could be one
    end of a rename which the other side has to follow is left open: a path that both sides took
    away or both added, and, being changed on both sides, one that was taken away on one of them.
    """

    def __init__(
        self, store: TreeStore, *, renames: bool, merge_content: ContentMerge | None = None
    ) -> None:
        self._store = store
        self._renames = renames
        self._merge_content = merge_content
        self._open: list[bytes] = []

    def merge(self, base: pygit2.Oid, ours: pygit2.Oid, theirs: pygit2.Oid) -> TreeMergeResult:
        """Merge what `theirs` did to `base` into `ours`."""
        if theirs == base:
            return TreeMergeResult(ours)
        if ours == base:
            return TreeMergeResult(theirs)
        merged = self._merge_folder(b"", base.raw, ours.raw, theirs.raw, 0)
        if self._open:
            return TreeMergeResult(None, tuple(self._open))
        return TreeMergeResult(pygit2.Oid(raw=self._store.write(merged)))

    def _merge_folder(
        self, path: bytes, base: bytes | None, ours: bytes, theirs: bytes, depth: int
    ) -> Entries:
        in_base = self._store.read(base) if base else {}
        in_ours = self._store.read(ours)
        in_theirs = self._store.read(theirs)
        merged = dict(in_ours)
        for name in {name for name, _ in in_base.items() ^ in_theirs.items()}:
            sides = in_base.get(name), in_ours.get(name), in_theirs.get(name)
            entry = self._merge_entry(path + name, *sides, depth)
            if entry is None:
                merged.pop(name, None)
            else:
                merged[name] = entry
        return merged

    def _merge_entry(
        self, path: bytes, base: Entry | None, ours: Entry | None, theirs: Entry | None, depth: int
    ) -> Entry | None:
        """The entry to keep at `path`, where theirs differs from base."""
        if ours == theirs:
            # Both took it away or both added it: the other end of a rename may be elsewhere.
            if self._renames and (base is None or ours is None or ours[0] == FOLDER):
                self._open.append(path)
            return ours
        if ours == base:
            if base and theirs and (base[0] == FOLDER) != (theirs[0] == FOLDER):
                self._open.append(path)
            return theirs
        if ours and theirs and ours[0] == theirs[0] == FOLDER and depth < _MAX_DEPTH:
            if base is None or base[0] == FOLDER:
                sub = self._merge_folder(
                    path + b"/", base and base[1], ours[1], theirs[1], depth + 1
                )
                if self._open or not sub:
                    return None
                return (FOLDER, self._store.write(sub))
        elif base and ours and theirs and self._merge_content:
            merged = self._merge_content(path, base, ours, theirs)
            if merged:
                return merged
        self._open.append(path)
        return ours
