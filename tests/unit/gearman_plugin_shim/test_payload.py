"""Gearman's and ZeroMQ's JSON, and journal rows."""

from __future__ import annotations

import json

import pytest

from gearman_plugin_shim.model import BuildId, BuildInfo, BuildRow, Outcome
from gearman_plugin_shim.payload import (
    PayloadError,
    build_data,
    early_data,
    event_json,
    parse_build,
    parse_errand,
    wants_offline,
)
from gearman_plugin_shim.rows import RowError, parse_row, row_state

ROW = BuildRow(
    *("u1", "m1", "folder/J"), number=7, node="n1", executor=1, url="http://j/7/", started_at=1.5
)


def test_parameters_become_texts() -> None:
    payload = json.dumps(
        {"ZUUL_UUID": "u", "n": 1, "f": 1.5, "b": True, "no": None, "text": "a\nb ü <&"}
    )
    request = parse_build(payload.encode(), "x")
    assert request.uuid == "u"
    assert request.parameters == {
        "ZUUL_UUID": "u",
        "n": "1",
        "f": "1.5",
        "b": "true",
        "text": "a\nb ü <&",
    }
    assert parse_build(b'{"ZUUL_UUID":"u","x":"\\ud800"}', "").parameters["x"] == "?"
    large = "x" * 65536
    assert parse_build(json.dumps({"ZUUL_UUID": "u", "x": large}).encode(), "").parameters["x"] == (
        large
    )


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "ZUUL_UUID"),
        (b"{}", "ZUUL_UUID"),
        (b'{"ZUUL_UUID":""}', "ZUUL_UUID"),
        (b'{"ZUUL_UUID":"%s"}' % (b"x" * 200), "ZUUL_UUID"),
        (b'{"ZUUL_UUID":"a\\nb"}', "ZUUL_UUID"),
        (b'{"ZUUL_UUID":"u","x":[1]}', "x"),
        (b'{"ZUUL_UUID":"u","x":{}}', "x"),
        (b"[]", "payload"),
        (b"nonsense", "payload"),
        (b"\xff\xfe\x00", "payload"),
        (b"[" * 100_000, "payload"),
    ],
)
def test_a_bad_payload_names_its_field(payload: bytes, field: str) -> None:
    with pytest.raises(PayloadError, match=f"^{field}: "):
        parse_build(payload, "unique")


def test_the_unique_can_stand_in() -> None:
    assert parse_build(b"", "unique", uuid_optional=True).uuid == "unique"


@pytest.mark.parametrize(
    ("payload", "number", "uuid"),
    [
        (b'{"name":"J","number":3}', 3, None),
        (b'{"name":"J","number":"3"}', 3, None),
        (b'{"name":"J","number":"abc-1"}', None, "abc-1"),
        (b'{"name":"J","uuid":"abc"}', None, "abc"),
    ],
)
def test_errands(payload: bytes, number: int | None, uuid: str | None) -> None:
    errand = parse_errand(payload, with_html=False)
    assert (errand.name, errand.number, errand.uuid) == ("J", number, uuid)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"{}", "name"),
        (b'{"name":3,"number":1}', "name"),
        (b'{"name":"J"}', "number"),
        (b'{"name":"J","number":true}', "number"),
        (b'{"name":"J","number":0}', "number"),
        (b'{"name":"J","number":-1}', "number"),
        (b'{"name":"J","number":[]}', "number"),
        (b'{"name":"J","number":1}', "html_description"),
    ],
)
def test_a_bad_errand_names_its_field(payload: bytes, field: str) -> None:
    with pytest.raises(PayloadError, match=f"^{field}: "):
        parse_errand(payload, with_html=True)


@pytest.mark.parametrize("value", ["1", "true", "True", "TRUE"])
def test_scenario_20_offline_values(value: str) -> None:
    assert wants_offline({"OFFLINE_NODE_WHEN_COMPLETE": value})
    assert not wants_offline({"OFFLINE_NODE_WHEN_COMPLETE": f"{value} "})
    assert not wants_offline({"OFFLINE_NODE_WHEN_COMPLETE": "0"})
    assert not wants_offline({})


def test_build_data_has_the_contracts_keys() -> None:
    start = json.loads(build_data(ROW))
    assert start == {
        "name": "J",
        "number": 7,
        "manager": "m1",
        "worker": "n1_exec-1",
        "url": "http://j/7/",
        "node_labels": [],
        "node_name": "n1",
    }
    lost = json.loads(build_data(ROW, ended=True))
    assert lost == start
    assert json.loads(early_data(ROW)) == {"name": "J", "number": "u1", "manager": "m1"}
    own = BuildRow("u", "m1", "J", number=1, node="")
    assert json.loads(build_data(own))["worker"] == "m1_exec-0"
    assert json.loads(build_data(own))["node_name"] == ""


def test_event_bytes_are_gsons() -> None:
    build = BuildInfo(
        BuildId("a b/gate-x", 1),
        {"ZUUL_UUID": "u", "x": "<a href='é'>&=\u2028\ud800"},
        building=False,
        result="SUCCESS",
        node="n-1",
    )
    text = event_json(
        "onFinalized", build, root_url="http://j", host_name="h", node_description=None
    )
    assert text == (
        '{"name":"gate-x","url":"job/a%20b/job/gate-x/","build":{'
        '"full_url":"http://j/job/a%20b/job/gate-x/1/","number":1,"phase":"FINISHED",'
        '"status":"SUCCESS","url":"job/a%20b/job/gate-x/1/","node_name":"n-1","host_name":"h",'
        '"parameters":{"ZUUL_UUID":"u","x":"\\u003ca href\\u003d\\u0027é\\u0027\\u003e'
        '\\u0026\\u003d\\u2028?"}}}'
    )
    bare = event_json(
        "onStarted",
        BuildInfo(BuildId("J", 2), node=""),
        root_url="",
        host_name="",
        node_description=None,
    )
    assert json.loads(bare)["build"] == {
        "number": 2,
        "phase": "STARTED",
        "url": "job/J/2/",
        "node_name": "",
    }


def test_rows_there_and_back() -> None:
    row = BuildRow(
        *("u", "m", "J", 2),
        node_labels=("a",),
        outcome=Outcome.RESULT,
        result="SUCCESS",
        finished_at=2.0,
    )
    for each in (row, ROW):
        state = json.loads(json.dumps(row_state(each)))
        assert parse_row(each.uuid, each.master, state, each.finished_at) == each


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ({}, "job"),
        ({"job": 3}, "job"),
        ({"job": "J", "number": "1"}, "number"),
        ({"job": "J", "posts": True}, "posts"),
        ({"job": "J", "outcome": "x"}, "outcome"),
        ({"job": "J", "outcome": "lost"}, "outcome"),
        ({"job": "J", "node_labels": [1]}, "node_labels"),
    ],
)
def test_a_bad_row_names_its_field(state: dict[str, object], field: str) -> None:
    with pytest.raises(RowError, match=f"^{field}: "):
        parse_row("u", "m", state, None)
