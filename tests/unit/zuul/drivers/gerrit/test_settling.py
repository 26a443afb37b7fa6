"""Whether an answer shows what the stream told."""

from __future__ import annotations

import pytest

from tests.unit.zuul.drivers.gerrit.rows import make_patchset, make_row
from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.settling import is_reflected
from zuul.drivers.gerrit.stream import Heard
from zuul.model.change import Approval
from zuul.model.trigger import Account, TriggerEvent


def told(kind: str, *votes: tuple[str, int], patchset: str = "1", at: float = 1000) -> Heard:
    approvals = tuple(Approval(label, value) for label, value in votes)
    event = TriggerEvent(
        "gerrit", kind, number="1", patchset=patchset, account=Account("core"), approvals=approvals
    )
    return Heard(event, at)


OPEN = make_row(1)
ABANDONED = make_row(1, status="ABANDONED", open=False)
MERGED = make_row(1, status="MERGED", open=False)
LATER = make_row(1, lastUpdated=1001)
TWO = [make_patchset(1, 1), make_patchset(1, 2, approvals=[])]
SECOND = make_row(1, currentPatchSet=TWO[1], patchSets=TWO)


@pytest.mark.parametrize(
    ("row", "heard", "shown"),
    [
        (None, told("patchset-created"), False),
        (OPEN, told("patchset-created"), True),
        (OPEN, told("patchset-created", patchset="2"), False),
        (SECOND, told("patchset-created", patchset="2"), True),
        (OPEN, told("comment-added"), True),
        (OPEN, told("comment-added", ("code-review", 2), ("verified", 0)), True),
        (OPEN, told("comment-added", ("code-review", 1)), False),
        (OPEN, told("comment-added", ("code-review", 0)), False),
        (OPEN, told("comment-added", ("workflow", 1)), False),
        # The voter changed their mind since: the row is newer than the event.
        (LATER, told("comment-added", ("code-review", 1)), True),
        # An old patch set's votes are not shown.
        (SECOND, told("comment-added", ("workflow", 1)), True),
        (OPEN, told("change-abandoned"), False),
        (ABANDONED, told("change-abandoned"), True),
        (ABANDONED, told("change-restored"), False),
        (OPEN, told("change-restored"), True),
        (OPEN, told("change-merged"), False),
        (MERGED, told("change-merged"), True),
        (LATER, told("change-merged"), True),
        # A server that does not stamp its events.
        (LATER, told("change-merged", at=0.0), False),
    ],
)
def test_is_reflected(row: Row | None, heard: Heard, shown: bool) -> None:
    assert is_reflected(row, heard) is shown
