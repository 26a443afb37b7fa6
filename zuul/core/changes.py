"""The change table: what is known of every change that a pipeline holds, and of its relatives.

Items refer to changes by key, so that news of a change reach all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zuul.model.change import Change, ChangeKey

#: the table is looked through for strangers once it has doubled, and not below this size
PRUNE_FLOOR = 1000


def patchset_number(patchset: str) -> int:
    """For comparing patch sets; one that is no number is older than any."""
    return int(patchset) if patchset.isdecimal() else -1


@dataclass(frozen=True, slots=True)
class News:
    """What was known of a change, and what is now."""

    old: Change | None
    new: Change

    @property
    def matters_to_dependants(self) -> bool:
        """Votes do not; whether it merged or was superseded does."""
        old, new = self.old, self.new
        return (
            old is None
            or old.status != new.status
            or old.is_current_patchset != new.is_current_patchset
        )


class ChangeTable:
    """Changes by key. Grows with news, shrinks in `prune`."""

    def __init__(self) -> None:
        self._changes: dict[ChangeKey, Change] = {}
        self._patchsets: dict[tuple[str, str], dict[ChangeKey, None]] = {}
        self._prune_at = PRUNE_FLOOR

    def __len__(self) -> int:
        return len(self._changes)

    def find(self, key: ChangeKey) -> Change | None:
        return self._changes.get(key)

    def update(self, changes: Iterable[Change]) -> list[News]:
        """Take in what a server said; returns what is news.

        A merged change stays merged: data that says otherwise was asked for before the merge.
        """
        news: list[News] = []
        for change in changes:
            known = self._changes.get(change.key)
            if known is change:
                continue
            if known is not None and known.is_merged and not change.is_merged:
                change = replace(change, status=known.status, is_open=False)
            if known == change:
                continue
            news.append(self._put(change))
            if known is None:
                news += self._supersede(change)
        return news

    def mark_merged(self, key: ChangeKey) -> list[News]:
        """The change has merged by our own doing; empty if that is known already."""
        known = self._changes.get(key)
        if known is None or known.is_merged:
            return []
        return [self._put(replace(known, status="MERGED", is_open=False))]

    @property
    def wants_pruning(self) -> bool:
        """The table has doubled since it was last looked through."""
        return len(self._changes) >= self._prune_at

    def prune(self, held: Iterable[ChangeKey]) -> None:
        """Forget all but `held` and their relatives."""
        kept: dict[ChangeKey, Change] = {}
        queue = list(held)
        while queue:
            key = queue.pop()
            change = self._changes.get(key)
            if change is None or key in kept:
                continue
            kept[key] = change
            queue.extend(change.needs)
            queue.extend(change.needed_by)
        self._changes = kept
        self._patchsets = {}
        for key in kept:
            self._patchsets.setdefault((key.connection, key.number), {})[key] = None
        self._prune_at = max(PRUNE_FLOOR, 2 * len(kept))

    def _put(self, change: Change) -> News:
        key = change.key
        known = self._changes.get(key)
        self._changes[key] = change
        self._patchsets.setdefault((key.connection, key.number), {})[key] = None
        return News(known, change)

    def _supersede(self, change: Change) -> list[News]:
        """Of the patch sets of one review only the newest is current."""
        siblings = self._patchsets[(change.key.connection, change.key.number)]
        newest = max(siblings, key=lambda key: patchset_number(key.patchset))
        return [
            self._put(replace(self._changes[key], is_current_patchset=False))
            for key in list(siblings)
            if key != newest and self._changes[key].is_current_patchset
        ]
