"""From events to pipelines."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, tree
from zuul.core import events
from zuul.core.changes import PRUNE_FLOOR
from zuul.model.change import ChangeKey
from zuul.model.trigger import TriggerEvent

SIMPLE = check_config({"p": tree("unit")})


def test_event_that_no_filter_wants() -> None:
    gate = Gate(SIMPLE)
    assert gate.hear("comment-added", make_change(1)) == []
    assert len(gate.watcher.of("event_received")) == 1


def test_unknown_project() -> None:
    gate = Gate(SIMPLE)
    assert gate.hear("patchset-created", make_change(1, "stranger")) == []


def test_repeated_event() -> None:
    gate = Gate(SIMPLE)
    gate.upload(make_change(1), make_change(1))
    assert gate.numbers("check") == ["1,1"]


def test_pipelines_hear_of_their_own_source_alone() -> None:
    gate = Gate(SIMPLE, replace(SIMPLE, name="other", source="elsewhere"))
    gate.upload(make_change(1))
    assert gate.numbers("check") == ["1,1"]
    assert gate.numbers("other") == []


def test_change_of_another_server_is_another_change() -> None:
    gate = Gate(SIMPLE)
    gate.upload(make_change(1))
    twin = make_change(1, patchset=2, key=ChangeKey("elsewhere", "1", "2"))
    event = TriggerEvent("elsewhere", "patchset-created", project="p", number="1", patchset="2")
    gate.send(events.TriggerReceived(event, twin, (twin,)))
    assert gate.numbers("check") == ["1,1"]


def test_withdrawal_without_a_look_up() -> None:
    gate = Gate(SIMPLE)
    gate.upload(make_change(1))
    event = TriggerEvent("gerrit", "change-abandoned", project="p", number="1", patchset="1")
    gate.send(events.TriggerReceived(event))
    assert gate.numbers("check") == []


def test_table_of_changes_keeps_what_is_held_and_its_relatives() -> None:
    gate = Gate(SIMPLE)
    parent = gate.known(make_change(1))
    gate.upload(make_change(2, needs=(parent.key,)))
    strangers = tuple(make_change(number) for number in range(10, 10 + PRUNE_FLOOR))
    gate.send(events.ChangesRefreshed(strangers))
    table = gate.scheduler._state.changes
    assert len(table) == 2
    assert table.find(parent.key) is not None
    assert gate.scheduler.holds("gerrit", "2")
    assert not gate.scheduler.holds("gerrit", "10")
