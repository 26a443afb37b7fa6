"""Events that are made up after the stream was down, and those that are not told twice."""

from __future__ import annotations

from typing import Any

from tests.unit.zuul.drivers.gerrit.rows import make_patchset, make_row
from zuul.drivers.gerrit.heard import HeardMemory
from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.stream import Heard
from zuul.model.trigger import Account, TriggerEvent

SINCE = 1000.0
NOW = 5000.0


def comment(at: int, message: str, user: str = "core") -> dict[str, Any]:
    return {"timestamp": at, "reviewer": {"username": user}, "message": message}


def row(*comments: dict[str, Any], created: int = 900, **changes: Any) -> Row:
    patchset = make_patchset(1, 1, createdOn=created)
    return make_row(1, **({"currentPatchSet": patchset, "patchSets": [patchset]} | changes),
                    comments=list(comments))  # fmt: skip


def heard(kind: str, at: float, text: str | None = None, user: str = "core") -> Heard:
    event = TriggerEvent(
        "gerrit", kind, project="org/demo", number="1", patchset="1", account=Account(user),
        comment=text,
    )  # fmt: skip
    return Heard(event, at)


def make_up(memory: HeardMemory, *rows: Row) -> list[tuple[str, str | None]]:
    return [(h.event.type, h.event.patchset) for h in memory.make_up(rows, SINCE, NOW)]


def test_what_is_older_is_left_alone() -> None:
    assert make_up(HeardMemory("gerrit"), row(comment(999, "Patch Set 1: x"))) == []


def test_times_of_the_server_are_whole_seconds() -> None:
    told_at_1000_or_later = row(comment(1000, "Patch Set 1: x"), created=1000)
    memory = HeardMemory("gerrit")
    missed = memory.make_up([told_at_1000_or_later], 1000.7, NOW)
    assert [h.event.type for h in missed] == ["patchset-created", "comment-added"]


def test_a_life_in_order() -> None:
    both = [make_patchset(1, 1, createdOn=1000), make_patchset(1, 2, createdOn=1030)]
    life = row(
        comment(1000, "Uploaded patch set 1."),
        comment(1010, "Patch Set 1: Code-Review+2 Workflow+1\n\nfine"),
        comment(1020, "Abandoned\n\nno"),
        comment(1025, "Restored"),
        comment(1030, "Uploaded patch set 2."),
        comment(1031, "Patch Set 2: Commit message was updated"),
        comment(1032, "Topic set to x"),
        comment(1040, "Patch Set 2: -Code-Review"),
        comment(1050, "Change has been successfully merged"),
        patchSets=both,
        currentPatchSet=both[1],
        status="MERGED",
    )
    assert make_up(HeardMemory("gerrit"), life) == [
        ("patchset-created", "1"),
        ("comment-added", "1"),
        ("change-abandoned", "2"),
        ("change-restored", "2"),
        ("patchset-created", "2"),
        ("comment-added", "2"),
        ("change-merged", "2"),
    ]


def test_fields_of_a_made_up_comment() -> None:
    found = HeardMemory("gerrit").make_up(
        [row(comment(1010, "Patch Set 1: Code-Review+2 Workflow+1 -Verified\n\nA+1 ok"))],
        SINCE, NOW,
    )  # fmt: skip
    (only,) = found
    event = only.event
    assert {a.label: a.value for a in event.approvals} == {
        "code-review": 2, "workflow": 1, "verified": 0,
    }  # fmt: skip
    assert event.account == Account("core")
    assert event.comment == "Patch Set 1: Code-Review+2 Workflow+1 -Verified\n\nA+1 ok"
    assert (event.project, event.branch, event.refspec) == (
        "org/demo", "master", "refs/changes/01/1/1",
    )  # fmt: skip
    assert event.received_at == NOW
    assert only.created_at == 1010


def test_votes_that_the_text_does_not_tell_are_those_of_that_moment() -> None:
    # The row's one vote was granted at 950, by core.
    old = row(comment(950, "Patch Set 1: Looks good to me, approved"))
    (only,) = HeardMemory("gerrit").make_up([old], 901, NOW)
    assert [(a.label, a.value) for a in only.event.approvals] == [("code-review", 2)]


def test_what_was_heard_is_not_made_up() -> None:
    memory = HeardMemory("gerrit")
    memory.remember(heard("patchset-created", 1001))
    memory.remember(heard("comment-added", 1011, "Patch Set 1:\n\nrecheck"))
    assert memory.newest_at == 1011
    told_twice = row(
        comment(1010, "Patch Set 1:\n\nrecheck"),
        comment(1015, "Patch Set 1:\n\nrecheck"),
        comment(1016, "Patch Set 1:\n\nrecheck", user="other"),
        created=1000,
    )
    # Heard once, said twice: one was missed.
    assert make_up(memory, told_twice) == [("comment-added", "1"), ("comment-added", "1")]
    assert make_up(memory, told_twice) == []


def test_the_same_words_much_later_are_another_event() -> None:
    memory = HeardMemory("gerrit")
    memory.remember(heard("comment-added", 1011, "Patch Set 1:\n\nrecheck"))
    assert make_up(memory, row(comment(1100, "Patch Set 1:\n\nrecheck"))) == [
        ("comment-added", "1")
    ]


def test_the_stream_may_repeat_what_was_made_up_once() -> None:
    memory = HeardMemory("gerrit")
    assert make_up(memory, row(comment(1010, "Patch Set 1: x"), created=1000))
    assert not memory.remember(heard("patchset-created", 1001))
    assert not memory.remember(heard("comment-added", 1011, "Patch Set 1: x"))
    assert memory.remember(heard("comment-added", 1012, "Patch Set 1: x"))


def test_a_merge_that_left_no_comment_but_a_submit_record() -> None:
    submit = {"type": "SUBM", "value": "1", "grantedOn": 1200, "by": {"username": "zuul"}}
    patchset = make_patchset(1, 1, approvals=[submit])
    merged = {"status": "MERGED", "currentPatchSet": patchset, "patchSets": [patchset]}
    (only,) = HeardMemory("gerrit").make_up([row(**merged)], SINCE, NOW)
    assert (only.event.type, only.created_at) == ("change-merged", 1200)
    assert HeardMemory("gerrit").make_up([row(**merged)], 1201, NOW) == []


def test_a_comment_on_a_patch_set_that_is_gone() -> None:
    assert make_up(HeardMemory("gerrit"), row(comment(1010, "Patch Set 7: x"))) == []


def test_memory_is_bounded() -> None:
    memory = HeardMemory("gerrit", limit=10)
    for number in range(50):
        memory.remember(heard("comment-added", 1000 + number, f"text {number}"))
    assert len(memory._heard) == 10
