"""Trigger events that wait for the next start."""

from pathlib import Path

import pytest

from zuul.daemon.state import FILE_NAME, give_back, take_events, write_events
from zuul.model.change import Approval
from zuul.model.trigger import PROJECT_CHANGE_MERGED, TIMER, ZUUL, Account, TriggerEvent

EVENT = TriggerEvent(
    "gerrit",
    "comment-added",
    project="acme/widget",
    number="1",
    patchset="2",
    account=Account("alice", "alice@example.com", "Ålice"),
    approvals=(Approval("workflow", 1),),
)
BARE = TriggerEvent("gerrit", "ref-updated", ref="refs/heads/master")


def test_events_come_back_once(tmp_path: Path) -> None:
    assert write_events(tmp_path, [EVENT, BARE]) == 2
    assert take_events(tmp_path) == [EVENT, BARE]
    assert take_events(tmp_path) == []


def test_each_goes_back_to_whoever_knows_about_it(caplog: pytest.LogCaptureFixture) -> None:
    class Driver:
        def __init__(self) -> None:
            self.heard: list[TriggerEvent] = []

        def hear(self, event: TriggerEvent) -> None:
            self.heard.append(event)

    review, timers = Driver(), Driver()
    tick = TriggerEvent(TIMER, TIMER, project="p", forced_pipeline="periodic")
    own = TriggerEvent(ZUUL, PROJECT_CHANGE_MERGED, number="1", patchset="1", source="gerrit")
    lost = TriggerEvent(ZUUL, PROJECT_CHANGE_MERGED, number="1", patchset="1", source="gone")
    give_back([tick, EVENT, own, lost], {"gerrit": review, TIMER: timers})
    assert review.heard == [EVENT, own]
    assert timers.heard == [tick]
    assert "A saved event is dropped" in caplog.text


def test_nothing_to_keep_leaves_no_file(tmp_path: Path) -> None:
    assert write_events(tmp_path, []) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_events(tmp_path, [EVENT])
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "line",
    [
        "junk",
        "[]",
        "{}",
        '{"account": 1, "approvals": null}',
        '{"account": null, "approvals": [], "connection": [], "type": "x"}',
        '{"account": null, "approvals": [], "connection": "gerrit", "type": "x", "number": 7}',
        '{"account": {"username": {}}, "approvals": [], "connection": "gerrit", "type": "x"}',
        '{"account": null, "approvals": [{"label": "l", "value": "1"}], "connection": "g"}',
        '{"account": null, "approvals": [], "connection": "gerrit", "type": "x", "other": 7}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_line_is_named_and_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    write_events(tmp_path, [EVENT])
    with open(tmp_path / FILE_NAME, "a", errors="surrogateescape") as out:
        out.write(line + "\n")
    assert take_events(tmp_path) == [EVENT]
    assert "line=2" in caplog.text
