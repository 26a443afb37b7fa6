"""Lines of the event stream, of today and of 2013, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.drivers.gerrit.stream import MAX_COMMENT_CHARACTERS, Heard, LineBuffer, parse_event
from zuul.errors import StreamError

FIXTURES = Path(__file__).parents[4] / "fixtures" / "gerrit"
TODAY = (FIXTURES / "stream-events-3.9.jsonl").read_bytes().splitlines()
OLD = (FIXTURES / "stream-events-2013.jsonl").read_bytes().splitlines()


def parse(line: bytes, **options: Any) -> Heard:
    return parse_event(line, "gerrit", received_at=5.0, **options)


def find(lines: list[bytes], kind: str, nth: int = 0) -> Heard:
    return [h for h in map(parse, lines) if h.event.type == kind][nth]


def altered(kind: str, **changes: Any) -> bytes:
    """A recorded line of today with some of its keys replaced; None removes one."""
    data = next(d for d in map(json.loads, TODAY) if d["type"] == kind)
    for path, value in changes.items():
        *parents, key = path.split("__")
        target = data
        for parent in parents:
            target = target[parent]
        if value is None:
            del target[key]
        else:
            target[key] = value
    return json.dumps(data).encode()


def test_recorded_stream_of_today() -> None:
    kinds = [parse(line).event.type for line in TODAY]
    assert kinds.count("ref-updated") == 10
    assert set(kinds) == {
        "ref-updated", "patchset-created", "topic-changed", "comment-added", "change-merged",
        "change-abandoned", "change-restored",
    }  # fmt: skip


def test_patchset_created() -> None:
    heard = find(TODAY, "patchset-created")
    event = heard.event
    assert (event.project, event.branch, event.number, event.patchset) == (
        "org/demo", "master", "1", "1",
    )  # fmt: skip
    assert event.refspec == "refs/changes/01/1/1"
    assert event.change_url == "http://127.0.0.1:18081/c/org/demo/+/1"
    assert event.account is not None
    assert (event.account.username, event.account.email) == ("admin", "admin@example.com")
    assert event.received_at == 5.0
    assert heard.created_at == 1795391062
    assert heard.change_id == "I7fc38fb86368bfbf50593a242a3da9726d4313b0"


def test_comment_added_tells_all_votes_it_lists() -> None:
    event = find(TODAY, "comment-added").event
    assert event.comment == "Patch Set 1: Code-Review+2 Workflow+1"
    assert [(a.label, a.value) for a in event.approvals] == [
        ("verified", 0), ("code-review", 2), ("workflow", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "actor"),
    [
        ("patchset-created", "admin"),
        ("change-abandoned", "admin"),
        ("change-restored", "admin"),
        ("change-merged", "zuul"),
        ("comment-added", "admin"),
        ("ref-updated", "admin"),
    ],
)
def test_account_by_type(kind: str, actor: str) -> None:
    account = find(TODAY, kind).event.account
    assert account is not None and account.username == actor


def test_account_of_other_types_is_unknown() -> None:
    assert find(TODAY, "topic-changed").event.account is None


def test_change_merged_tells_what_landed() -> None:
    assert find(TODAY, "change-merged").merged_revision == (
        "42c395ebba6eba0d9ef1339b76033e64455eb58f"
    )


def test_numbers_and_labels_of_2013() -> None:
    created, comment, moved = map(parse, OLD)
    assert (created.event.number, created.event.patchset) == ("1", "1")
    assert created.event.account is not None and created.event.account.username is None
    assert created.created_at == 0.0
    assert [(a.label, a.value) for a in comment.event.approvals] == [
        ("code-review", 2), ("approved", 1), ("verified", -1),
    ]  # fmt: skip
    assert moved.event.ref == "master"


def test_ref_updated() -> None:
    line = altered("ref-updated", refUpdate__refName="refs/heads/stable/x")
    event = parse(line).event
    assert (event.project, event.ref, event.branch) == ("org/demo", "refs/heads/stable/x", None)
    assert event.oldrev == "0" * 40
    assert parse(line, strip_branch_ref=True).event.ref == "stable/x"
    tag = altered("ref-updated", refUpdate__refName="refs/tags/1")
    assert parse(tag, strip_branch_ref=True).event.ref == "refs/tags/1"


def test_unknown_types_are_passed_on() -> None:
    heard = parse(b'{"type": "project-created", "projectName": "x", "eventCreatedOn": 7}')
    assert (heard.event.type, heard.event.project, heard.created_at) == ("project-created", "x", 7)
    assert parse(b'{"type": "dropped-output"}').event.project is None


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"garbage", "not JSON"),
        (b'{"type": "comment-added", "chan', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "type"),
        (b'{"type": 5}', "type"),
        (b'{"type": "comment-added"}', "change: is missing"),
        (b'{"type": "ref-updated"}', "refUpdate: is missing"),
        (altered("comment-added", change__number=None), "change.number"),
        (altered("comment-added", change__number="x"), "change.number"),
        (altered("comment-added", change__number=True), "change.number"),
        (altered("comment-added", change__number="-5"), "change.number"),
        (altered("comment-added", change__project=None), "change.project"),
        (altered("comment-added", change="x"), "change: is 'x'"),
        (altered("comment-added", patchSet=None), "patchSet: is missing"),
        (altered("comment-added", patchSet__number=[1]), "patchSet.number"),
        (altered("comment-added", approvals="x"), "approvals: is 'x'"),
        (altered("comment-added", approvals=[{"type": "V", "value": "x"}]), "approvals[].value"),
        (altered("comment-added", approvals=[{}]), "approvals[].type"),
        (altered("comment-added", comment=5), "comment: is '5'"),
        (altered("comment-added", author="me"), "author: is 'me'"),
        (altered("ref-updated", refUpdate__newRev=None), "refUpdate.newRev"),
    ],
)
def test_a_broken_line_names_its_field(line: bytes, named: str) -> None:
    with pytest.raises(StreamError) as caught:
        parse(line)
    assert named in str(caught.value)
    assert caught.value.connection == "gerrit"


def test_filters_see_no_more_of_a_comment_than_the_bound() -> None:
    event = parse(altered("comment-added", comment="x" * 1024 * 1024)).event
    assert event.comment == "x" * MAX_COMMENT_CHARACTERS


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner:
       st.lists(inner) | st.dictionaries(st.sampled_from(
           ["type", "change", "patchSet", "number", "project", "ref", "approvals", "value"]
       ), inner)))  # fmt: skip
def test_any_json_is_an_event_or_a_stream_error(data: Any) -> None:
    if isinstance(data, dict):
        data["type"] = "comment-added"
    try:
        parse(json.dumps(data).encode())
    except StreamError as error:
        assert str(error)


class TestLineBuffer:
    def test_lines_across_reads(self) -> None:
        buffer = LineBuffer()
        assert buffer.feed(b"a") == []
        assert buffer.feed(b"b\nc\n\nd") == [b"ab", b"c", b""]
        assert buffer.feed(b"\n") == [b"d"]

    def test_a_line_over_the_limit_is_skipped_whole(self) -> None:
        buffer = LineBuffer(limit=4)
        assert buffer.feed(b"abc") == []
        assert buffer.feed(b"de") == []
        assert buffer.feed(b"fghijkl") == []
        assert buffer.feed(b"m\nok\n12345\nend\n") == [b"ok", b"end"]
        assert buffer.oversized == 2

    @given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
    def test_reads_of_any_size_give_the_same_lines(self, parts: list[bytes], size: int) -> None:
        data = b"\n".join(parts) + b"\n"
        buffer = LineBuffer()
        found = [
            line
            for start in range(0, len(data), size)
            for line in buffer.feed(data[start : start + size])
        ]
        assert found == data.split(b"\n")[:-1]
