"""Merge bases, at a cost that does not grow with the series.

The result of item N holds N merges. Asking git for its merge base with the next change walks all
of them each time. Here a result remembers the branch head that its line of results began on, and
what was added since; a walk back from the change ends at the first commits that are in either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pygit2

from zuul.merger.lru import Recently

#: commits of one change to look at before libgit2's own search is the better one
_MAX_WALK = 256
_MAX_KNOWN = 50_000


@dataclass(frozen=True, slots=True)
class Bases:
    """The best common ancestors of two commits, as far as a merge has to know them."""

    #: one of them; None: the histories have nothing in common
    base: pygit2.Oid | None
    is_only: bool = True
    #: commits of theirs that ours lacks; empty where they were not counted
    added: tuple[pygit2.Oid, ...] = ()


@dataclass(slots=True)
class _Line:
    """Results that grew one on another: every commit since `root`, and the step it came with."""

    root: pygit2.Oid
    steps: dict[pygit2.Oid, int] = field(default_factory=dict)
    last: int = 0


class Ancestry:
    """Answers for one repository."""

    def __init__(self, repository: pygit2.Repository) -> None:
        self._repository = repository
        self._lines: Recently[pygit2.Oid, tuple[_Line, int]] = Recently(_MAX_KNOWN)
        self._tested: Recently[tuple[pygit2.Oid, pygit2.Oid], bool | None] = Recently(_MAX_KNOWN)

    def find_bases(self, ours: pygit2.Oid, theirs: pygit2.Oid) -> Bases:
        """The merge base, and whether it is the only one.

        Whatever both have in common lies behind the first commits, walking back from theirs, that
        ours has. When those are one commit, it is the only merge base.
        """
        frontier: list[pygit2.Oid] = []
        added: dict[pygit2.Oid, None] = {}
        waiting = [theirs]
        while waiting:
            commit = waiting.pop()
            if commit in added or commit in frontier:
                continue
            if self._has(ours, commit):
                frontier.append(commit)
                continue
            added[commit] = None
            if len(added) > _MAX_WALK:
                return self._search(ours, theirs)
            waiting += self._repository[commit].peel(pygit2.Commit).parent_ids
        best = [one for one in frontier if not self._is_behind_another(one, frontier)]
        return Bases(best[0] if best else None, len(best) <= 1, tuple(added))

    def record(self, result: pygit2.Oid, ours: pygit2.Oid, bases: Bases) -> None:
        """Tell that `result` is ours with theirs merged in."""
        if not bases.added:
            return
        line, step = self._lines.get(ours) or (_Line(ours), 0)
        if step != line.last:
            kept = {commit: at for commit, at in line.steps.items() if at <= step}
            line = _Line(line.root, kept, step)
        line.last = step + 1
        for commit in (*bases.added, result):
            line.steps[commit] = line.last
        self._lines.put(result, (line, line.last))

    def _has(self, tip: pygit2.Oid, commit: pygit2.Oid) -> bool:
        """Whether `commit` is `tip` or behind it."""
        known = self._lines.get(tip)
        if known is None:
            return self._is_behind(tip, commit)
        line, step = known
        added_at = line.steps.get(commit)
        if added_at is not None:
            return added_at <= step
        return self._is_behind(line.root, commit)

    def _is_behind(self, tip: pygit2.Oid, commit: pygit2.Oid) -> bool:
        if tip == commit:
            return True
        tested = self._tested.get((tip, commit))
        if tested is None:
            tested = bool(self._repository.descendant_of(tip, commit))
            self._tested.put((tip, commit), tested)
        return tested

    def _is_behind_another(self, commit: pygit2.Oid, others: list[pygit2.Oid]) -> bool:
        return any(other != commit and self._is_behind(other, commit) for other in others)

    def _search(self, ours: pygit2.Oid, theirs: pygit2.Oid) -> Bases:
        """libgit2's search. All common history lies behind the base it finds when theirs has as
        many commits that ours lacks as it has that the base lacks."""
        # The stub leaves out that there may be none.
        base = cast(pygit2.Oid | None, self._repository.merge_base(ours, theirs))
        if base is None:
            return Bases(None)
        count = self._repository.ahead_behind
        return Bases(base, bool(count(theirs, ours)[0] == count(theirs, base)[0]))
