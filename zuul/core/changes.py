"""The change table: what is known of every change that a pipeline holds, and of its relatives.

Items refer to changes by key, so that news of a change reach all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from zuul.model.change import Change, ChangeKey

#: the table is looked through for strangers once it has doubled, and not below this size
PRUNE_FLOOR = 1000


def patchset_number(patchset: str) -> int:
    """For comparing patch sets; one that is no number is older than any."""
    return int(patchset) if patchset.isdecimal() else -1


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

    def update(self, changes: Iterable[Change]) -> list[Change]:
        """Take in what a server said; returns what is news, as it now stands.

        A merged change stays merged: data that says otherwise was asked for before the merge.
        """
        news: dict[ChangeKey, Change] = {}
        for change in changes:
            known = self._changes.get(change.key)
            if known is change:
                continue
            if known is not None and known.is_merged and not change.is_merged:
                change = replace(change, status=known.status, is_open=False)
            if known == change:
                continue
            self._put(change, news)
            if known is None:
                self._supersede(change, news)
        return list(news.values())

    def mark_merged(self, key: ChangeKey) -> Change | None:
        """The change has merged, as far as we know from our own doing; None if that is known."""
        known = self._changes.get(key)
        if known is None or known.is_merged:
            return None
        self._changes[key] = merged = replace(known, status="MERGED", is_open=False)
        return merged

    def prune(self, held: Iterable[ChangeKey]) -> None:
        """Forget all but `held` and their relatives, when it is time to."""
        if len(self._changes) < self._prune_at:
            return
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

    @property
    def wants_pruning(self) -> bool:
        return len(self._changes) >= self._prune_at

    def _put(self, change: Change, news: dict[ChangeKey, Change]) -> None:
        key = change.key
        self._changes[key] = change
        self._patchsets.setdefault((key.connection, key.number), {})[key] = None
        news[key] = change

    def _supersede(self, change: Change, news: dict[ChangeKey, Change]) -> None:
        """Of the patch sets of one review only the newest is current."""
        siblings = self._patchsets[(change.key.connection, change.key.number)]
        newest = max(siblings, key=lambda key: patchset_number(key.patchset))
        for key in siblings:
            sibling = self._changes[key]
            if key != newest and sibling.is_current_patchset:
                self._put(replace(sibling, is_current_patchset=False), news)
