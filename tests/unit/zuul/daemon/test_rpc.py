"""Requests as they come over the wire: parsed, refused with what would be right, audited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.office import CHANGE, GOOD, Office
from zuul.core.requests import (
    DequeueRequested,
    EnqueueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.daemon import rpc
from zuul.model.change import Ref, RefKey

REF = {
    "trigger": "gerrit",
    "project": "org/project",
    "pipeline": "post",
    "ref": "master",
    "oldrev": "0" * 40,
    "newrev": "1" * 40,
}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    office.desk.start()
    yield office
    office.desk.stop()


def test_122_a_change_is_looked_up_and_enqueued(office: Office) -> None:
    assert office.call("enqueue", GOOD) == []
    assert office.answer is None
    (event,) = office.events
    assert isinstance(event, EnqueueRequested)
    assert (event.pipeline, event.project, event.subject) == ("gate", "org/project", CHANGE)


def test_122_a_ref_is_enqueued_as_told(office: Office) -> None:
    office.call("enqueue_ref", REF)
    (event,) = office.events
    assert isinstance(event, EnqueueRequested)
    assert event.subject == Ref(
        RefKey("gerrit", "org/project", "master", "1" * 40), oldrev="0" * 40
    )


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("trigger", "known triggers: gerrit"),
        ("project", "known projects: "),
        ("pipeline", "known pipelines: check, conflict, dup1, dup2, experimental, gate, post"),
    ],
)
@pytest.mark.parametrize(("function", "good"), [("enqueue", GOOD), ("enqueue_ref", REF)])
def test_123_a_wrong_name_is_answered_with_the_right_ones(
    office: Office, function: str, good: dict[str, str], key: str, known: str
) -> None:
    first, second = office.refusal(function, good | {key: "nosuch"}).splitlines()
    assert first == f"Invalid {key}: nosuch"
    assert second.startswith(known)
    assert office.events == []


def test_123_all_wrong_names_at_once_in_the_contract_s_order(office: Office) -> None:
    wrong = dict.fromkeys(("trigger", "project", "pipeline"), "x") | {"change": "9,9"}
    lines = office.refusal("enqueue", wrong).splitlines()
    assert lines[::2] == ["Invalid trigger: x", "Invalid project: x", "Invalid pipeline: x"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("2,1", "the server shows no change 2,1"),
        ("1", "expected NUMBER,PATCHSET"),
        ("1,1 OR status:open", "expected NUMBER,PATCHSET"),
        ("-1,1", "expected NUMBER,PATCHSET"),
    ],
)
def test_123_a_wrong_change(office: Office, change: str, reason: str) -> None:
    text = office.refusal("enqueue", GOOD | {"change": change})
    assert text == f"Invalid change: {change}\n{reason}"
    assert office.events == []


def test_124_why_nothing_happened_is_sent_as_data(office: Office) -> None:
    office.outcome = {"note": "1,1 was not enqueued: why"}
    assert office.call("enqueue", GOOD) == [b'{"note": "1,1 was not enqueued: why"}']
    assert office.answer is None


def test_127_a_refusal_of_the_core_is_the_exception_s_text(office: Office) -> None:
    office.outcome = {"error": "Change 9,9 is not in pipeline gate"}
    arguments = {"pipeline": "gate", "change_ids": ["9,9"]}
    assert office.refusal("promote", arguments) == "Change 9,9 is not in pipeline gate"
    assert "known pipelines" in office.refusal("promote", arguments | {"pipeline": "x"})


def test_128_running_jobs(office: Office) -> None:
    office.call("get_running_jobs", {})
    assert office.answer == b'[{"id": "1,1"}]'
    office.call("get_brakes", {})
    assert office.answer == {"freezes": [], "holds": []}


def test_what_each_function_asks_for(office: Office) -> None:
    by = {"by": "ann@host", "reason": "because"}
    gate: dict[str, object] = {"pipeline": "gate"} | by
    office.call("promote", gate | {"change_ids": ["1,1", "22,3"]})
    office.call("dequeue", gate | {"change": "1,1"})
    office.call("dequeue", gate | {"ref": "master", "project": "org/project"})
    office.call("dequeue", gate | {"tick": True, "project": "org/project"})
    office.call("freeze", gate)
    office.call("unfreeze", {"project": "gone/project"})
    office.call("hold", gate | {"change": "5"})
    office.call("unhold", gate | {"change": "5,2"})
    promote, first, second, third, freeze, unfreeze, hold, unhold = office.events
    assert isinstance(promote, PromoteRequested)
    assert promote.changes == (("1", "1"), ("22", "3"))
    for event, wanted in (
        (first, (None, ("1", "1"), None, False)),
        (second, ("org/project", None, "master", False)),
        (third, ("org/project", None, None, True)),
    ):
        assert isinstance(event, DequeueRequested)
        assert (event.project, event.change, event.ref, event.tick) == wanted
    assert isinstance(freeze, FreezeRequested)
    assert (freeze.freeze.scope, freeze.freeze.by) == (("gate", None), "ann@host")
    assert isinstance(unfreeze, UnfreezeRequested)
    assert (unfreeze.pipeline, unfreeze.project) == (None, "gone/project")
    assert isinstance(hold, HoldRequested)
    assert (hold.hold.change, hold.hold.reason) == ("5", "because")
    assert isinstance(unhold, UnholdRequested)
    assert (unhold.number, unhold.patchset) == ("5", "2")


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("enqueue", [], "arguments of zuul:enqueue are no JSON object"),
        ("enqueue", GOOD | {"change": None}, "zuul:enqueue: change: is required"),
        ("enqueue", GOOD | {"project": 7}, "zuul:enqueue: project: expected a text of up to 1000"),
        ("enqueue", GOOD | {"reason": "x" * 1001}, "zuul:enqueue: reason: expected a text of"),
        ("enqueue", GOOD | {"extra": 1}, "zuul:enqueue: extra: is not known (known: by, change"),
        ("enqueue_ref", REF | {"newrev": "abc"}, "zuul:enqueue_ref: newrev: expected 40 hexa"),
        ("enqueue_ref", REF | {"newrev": "0" * 40}, "The old and the new revision are the same"),
        ("promote", {"pipeline": "gate", "change_ids": []}, "zuul:promote: change_ids: expected"),
        ("promote", {"pipeline": "gate", "change_ids": ["1"]}, "Invalid change: 1\n"),
        ("dequeue", {"pipeline": "gate"}, "Name one of a change, a ref, or a timer's tick"),
        ("dequeue", {"pipeline": "gate", "ref": "master"}, "Name the project"),
        ("dequeue", {"pipeline": "gate", "tick": 1}, "zuul:dequeue: tick: expected true or false"),
        ("freeze", {"pipeline": "gate"}, "zuul:freeze: reason: is required"),
        ("hold", {"pipeline": "gate", "change": "x", "reason": "r"}, "Invalid change: x\nexpect"),
    ],
)
def test_bad_payloads(office: Office, function: str, arguments: object, text: str) -> None:
    assert office.refusal(function, arguments).startswith(text)
    assert office.events == []


def test_a_source_that_cannot_take_more(office: Office) -> None:
    office.source.is_full = True
    assert "it cannot be looked up now: too many" in office.refusal("enqueue", GOOD)


def test_a_scheduler_that_does_not_answer(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "ANSWER_SECONDS", 0.0)
    office.outcome = None
    assert "it may still be done" in office.refusal("enqueue", GOOD)


def test_who_asks_for_what_is_written_down(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "zuul.Audit")
    office.outcome = {"note": "being merged already: 1,1"}
    office.call("freeze", {"pipeline": "gate", "by": "ann@host", "reason": "release\nweek"})
    office.refusal("enqueue", GOOD | {"change": "2,1"})
    done, refused = office.audited()
    assert done.pop("time").endswith("+00:00")
    assert done == {
        "action": "zuul:freeze",
        "by": "ann@host",
        "reason": "release\nweek",
        "arguments": {"pipeline": "gate"},
        "outcome": "done",
        "error": None,
        "note": "being merged already: 1,1",
    }
    assert (refused["by"], refused["outcome"]) == ("unknown", "refused")
    assert refused["error"].startswith("Invalid change: 2,1")
    assert refused["arguments"] == GOOD | {"change": "2,1"}
    assert [record.action for record in caplog.records] == ["zuul:freeze", "zuul:enqueue"]  # type: ignore[attr-defined]
    line = caplog.records[0].getMessage()
    assert "by=ann@host reason=release\\nweek" in line
    assert (office.folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_audit_file_that_cannot_be_written_stops_nobody(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    (office.folder / "audit.jsonl").mkdir()
    office.call("enqueue", GOOD)
    assert "The audit file is not written" in caplog.text
