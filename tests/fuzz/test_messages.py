"""JSON of Gerrit, workers, mergers and the gate: read by pure functions, almost as it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gearman_plugin_shim.payload import PayloadError, parse_build, parse_errand
from tests.support.mutations import FUZZ, spoiled
from tests.unit.zuul.drivers.gerrit.rows import make_data
from zuul.daemon.heard import FILE_NAME as HEARD
from zuul.daemon.heard import read_heard
from zuul.daemon.state import FILE_NAME as EVENTS
from zuul.daemon.state import take_events, write_events
from zuul.daemon.status_document import encode_status
from zuul.drivers.gearman.payload import parse_report
from zuul.drivers.gearman.series import parse_head, parse_merged, parse_updated
from zuul.drivers.gerrit.queries import parse_page
from zuul.drivers.gerrit.records import parse_requirements
from zuul.drivers.gerrit.stream import parse_event
from zuul.errors import DriverError, MergerError, StreamError
from zuul.merger import requests as merger_requests
from zuul.model.build import BuildData

RECORDED = Path(__file__).parents[1] / "fixtures" / "gerrit"
EVENT_LINES = [
    line
    for path in sorted(RECORDED.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
#: one of each type
EVENTS_SEEN = list({json.loads(line)["type"]: json.loads(line) for line in EVENT_LINES}.values())

REPORT = {
    "name": "unit",
    "number": 7,
    "manager": "m",
    "url": "http://m/job/unit/7/",
    "worker_name": "w",
    "worker_ips": ["10.0.0.1"],
    "worker_extra": {"a": {"b": 1}},
    "node_labels": ["xenial"],
    "node_name": "n",
    "result": "SUCCESS",
}
MERGED = {
    "merged": True,
    "commit": "1" * 40,
    "tree": "2" * 40,
    "base_tree": "3" * 40,
    "zuul_url": "http://merger/p",
    "merger_id": "a1",
    "conflict": {"project": "p", "number": "1", "patchset": "2"},
    "error": None,
    "unknown_parent": False,
    "updated": True,
}
ORIGIN = {"project": "org/demo", "url": "ssh://zuul@gerrit:29418/org/demo", "connection_name": "g"}
ITEM = {
    **ORIGIN,
    "merge_mode": 2,
    "refspec": "refs/changes/01/1/1",
    "branch": "master",
    "ref": "Z0123",
    "number": "1",
    "patchset": 1,
}
MERGE = {
    "items": [ITEM],
    "parent": {"ref": "Z9"},
    "prefetch": [{"project": "org/demo", "refspec": "refs/changes/02/2/1"}],
    "branch": "master",
    **ORIGIN,
}
BUILD = {"ZUUL_UUID": "u1", "ZUUL_BRANCH": "master", "N": 1, "FLAG": True, "NOTHING": None}
ERRAND = {"name": "unit", "number": 7, "uuid": "u1", "html_description": "<p>"}


@FUZZ
@given(spoiled(EVENTS_SEEN))
def test_lines_of_the_event_stream(line: bytes) -> None:
    try:
        heard = parse_event(line, "gerrit")
    except StreamError as error:
        assert len(str(error)) < 1000
    else:
        event = heard.event
        assert event.connection == "gerrit" and event.type
        hash(event)


@FUZZ
@given(spoiled([make_data(7)]))
def test_rows_of_a_query(row: bytes) -> None:
    rows, _stats = parse_page(f"{row.decode()}\n" + '{"type":"stats"}\n', "gerrit")
    for each in rows:
        change = each.change("gerrit", each.current)
        hash(change.key)
        item = {"id": "7,1", "owner": change.owner, "jobs": []}
        queue = {"name": "q", "heads": [[item]]}
        encode_status({"pipelines": [{"name": "gate", "change_queues": [queue]}]}, 1.0)


@FUZZ
@given(spoiled([make_data(7), {"type": "stats", "rowCount": 1}, {"type": "error", "message": "m"}]))
def test_pages_of_a_query(row: bytes) -> None:
    try:
        parse_page(row.decode(), "gerrit")
    except DriverError as error:
        assert error.connection == "gerrit"


@FUZZ
@given(
    spoiled(
        [
            {
                "submit_requirements": [
                    {
                        "name": "Code-Review",
                        "status": "UNSATISFIED",
                        "submittability_expression_result": {
                            "expression": "label:Verified=MAX",
                            "failing_atoms": ["label:Verified=MAX"],
                            "passing_atoms": [],
                        },
                    }
                ]
            }
        ]
    )
)
def test_submit_requirements(info: bytes) -> None:
    value = json.loads(info)
    if isinstance(value, dict):
        told(parse_requirements, value, (ValueError,))


@FUZZ
@given(spoiled([REPORT]))
def test_data_packets_of_builds(packet: bytes) -> None:
    report = parse_report(packet, BuildData())
    assert all(len(problem) < 1000 for problem in report.problems)
    assert report.result is None or report.result.isprintable()
    # Whatever a worker says of itself, the status of all others is shown.
    item = {"id": "1,1", "jobs": [{"number": report.data.number, "x": report.data.worker.extra}]}
    queue = {"name": "q", "heads": [[item, {"id": "2,1", "jobs": []}]]}
    document = {"pipelines": [{"name": "gate", "change_queues": [queue]}]}
    shown = json.loads(encode_status(document, 1.0).body)
    (heads,) = shown["pipelines"][0]["change_queues"][0]["heads"]
    assert [each["id"] for each in heads] == ["1,1", "2,1"]


@FUZZ
@given(spoiled([MERGED]))
@pytest.mark.parametrize("parse", [parse_merged, parse_updated, parse_head])
def test_answers_of_mergers(parse: Callable[[bytes], object], answer: bytes) -> None:
    told(parse, answer, (ValueError,))


@FUZZ
@given(spoiled([MERGE]))
@pytest.mark.parametrize("name", ["parse_merge", "parse_update", "parse_head"])
def test_requests_to_mergers(name: str, request_bytes: bytes) -> None:
    told(getattr(merger_requests, name), request_bytes, (MergerError,))


@FUZZ
@given(spoiled([BUILD]))
def test_builds_for_the_bridge(payload: bytes) -> None:
    try:
        build = parse_build(payload, "unique")
    except PayloadError as error:
        assert len(str(error)) < 1000
    else:
        assert all(isinstance(value, str) for value in build.parameters.values())
        json.dumps(dict(build.parameters), ensure_ascii=False).encode()


@FUZZ
@given(spoiled([ERRAND]))
def test_errands_for_the_bridge(payload: bytes) -> None:
    told(lambda data: parse_errand(data, with_html=True), payload, (PayloadError,))


@FUZZ
@given(st.binary(max_size=30) | spoiled([{"gerrit": 900.0}]))
def test_what_was_heard(tmp_path: Path, data: bytes) -> None:
    (tmp_path / HEARD).write_bytes(data)
    assert all(1000.0 - at >= 0 for at in read_heard(tmp_path, 1000.0).values())


@FUZZ
@given(st.data())
def test_events_of_the_last_run(tmp_path: Path, data: st.DataObject) -> None:
    """A spoiled line costs itself at most."""
    good = parse_event(EVENT_LINES[0].encode(), "gerrit").event
    write_events(tmp_path, [good])
    path = tmp_path / EVENTS
    line = path.read_bytes()
    bad = data.draw(st.binary(max_size=30) | spoiled([json.loads(line)]))
    path.write_bytes(line + bad + b"\n" + line)
    found = take_events(tmp_path)
    assert found[0] == found[-1] == good and len(found) <= 2 + 1 + bad.count(b"\n")
    assert all(isinstance(event.type, str) for event in found)


def told(parse: Callable[[Any], object], data: Any, errors: tuple[type[Exception], ...]) -> None:
    """It is read, or refused with a text that fits a log line."""
    try:
        parse(data)
    except errors as error:
        assert 0 < len(str(error)) < 1000
