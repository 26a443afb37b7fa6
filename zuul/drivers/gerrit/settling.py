"""Whether a query's answer shows what an event told: Gerrit's index may lag behind its stream."""

from __future__ import annotations

from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.stream import Heard
from zuul.model.trigger import TriggerEvent


def is_reflected(row: Row | None, heard: Heard) -> bool:
    """False: ask again. A row that altered after the event is good whatever it shows."""
    event = heard.event
    if row is None or event.patchset not in row.patchsets:
        return False
    if heard.created_at and row.updated_at > heard.created_at:
        return True
    if event.type == "change-abandoned":
        return row.status == "ABANDONED"
    if event.type == "change-merged":
        return row.status == "MERGED"
    if event.type == "change-restored":
        return row.status != "ABANDONED"
    if event.type == "comment-added":
        return _shows_votes(row, event)
    return True


def _shows_votes(row: Row, event: TriggerEvent) -> bool:
    """Whether the row has the event's votes; those on an old patch set it need not show."""
    username = event.account.username if event.account else None
    if not username or event.patchset != row.current or not row.is_open:
        return True
    shown = {a.label: a.value for a in row.approvals if a.username == username}
    return all(shown.get(vote.label, 0) == vote.value for vote in event.approvals)
