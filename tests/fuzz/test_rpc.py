"""Requests over Gearman: met, or refused with a text; and the next good one is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import FUZZ, spoiled
from tests.support.office import GOOD, Job, Office
from zuul.lib.gearman import BadArguments, Refused, Task

BY = {"by": "ann@host", "reason": "because"}
SAMPLES: dict[str, list[dict[str, Any]]] = {
    "enqueue": [GOOD | BY],
    "enqueue_ref": [
        {
            "trigger": "gerrit",
            "project": "org/project",
            "pipeline": "post",
            "ref": "master",
            "oldrev": "0" * 40,
            "newrev": "1" * 40,
        }
    ],
    "promote": [{"pipeline": "gate", "change_ids": ["1,1", "22,3"]} | BY],
    "dequeue": [
        {"pipeline": "gate", "change": "1,1"},
        {"pipeline": "gate", "ref": "master", "project": "org/project"},
        {"pipeline": "gate", "tick": True, "project": "org/project"},
    ],
    "freeze": [{"pipeline": "gate", "project": "org/project"} | BY],
    "unfreeze": [{"project": "org/project"}],
    "hold": [{"pipeline": "gate", "change": "5"} | BY],
    "unhold": [{"pipeline": "gate", "change": "5,2"}],
    "get_running_jobs": [{}],
    "get_brakes": [{}],
}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    office.desk.start()
    yield office
    office.desk.stop()


@FUZZ
@given(st.data())
def test_requests(office: Office, data: st.DataObject) -> None:
    function = data.draw(st.sampled_from(sorted(SAMPLES)))
    payload = data.draw(st.one_of(spoiled(SAMPLES[function]), st.binary(max_size=20)))
    job = Job(f"zuul:{function}", payload)
    try:
        office.listener.functions[job.name](Task(job))  # type: ignore[arg-type]
    except (Refused, BadArguments) as refusal:
        assert 0 < len(str(refusal)) < 20_000
    office.events.clear()
    office.call("enqueue", GOOD)
    assert len(office.events) == 1
    assert all(json.dumps(line) for line in office.audited())
