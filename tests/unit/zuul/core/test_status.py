"""status.json."""

from __future__ import annotations

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import gate_config, tree
from zuul.core.messages import ReportOptions
from zuul.core.status import render, render_change, render_items
from zuul.model.build import Worker
from zuul.model.job import Job

PATTERN = "http://logs/{change.number}/{job.name}/{build.number}"


def test_document() -> None:
    config = gate_config({"p": tree("unit", Job("style", voting=False))}, description="The gate.")
    gate = Gate(config, options=ReportOptions(url_pattern=PATTERN))
    gate.approve(make_change(1, owner={"name": "Ann"}), make_change(2))
    worker = Worker(name=None, hostname="h", ips=("10.0.0.1",), extra={"a": 1})
    gate.start("unit 1", number=5, url="http://worker/5", worker=worker, node_labels=("x",))
    document = gate.status()
    assert document["zuul_version"] == "test"
    assert "message" not in document
    assert document["trigger_event_queue"] == {"length": 0}
    assert isinstance(document["last_reconfigured"], int)
    (pipeline,) = document["pipelines"]
    assert (pipeline["name"], pipeline["description"]) == ("gate", "The gate.")
    (queue,) = pipeline["change_queues"]
    assert (queue["name"], queue["window"], queue["stopped"]) == ("integrated", 20, None)
    ((first, second),) = queue["heads"]
    jobs = first.pop("jobs")
    enqueued = first.pop("enqueue_time")
    assert enqueued > 1_000_000
    assert first.pop("zuul_ref").startswith("Z")
    assert first == {
        "id": "1,1",
        "url": "https://review/1",
        "project": "p",
        "owner": {"name": "Ann"},
        "live": True,
        "active": True,
        "item_ahead": None,
        "items_behind": ["2,1"],
        "failing_reasons": [],
        "conflict": None,
        "waiting": "no worker has taken style yet",
        "waiting_kind": "worker",
        "brake": None,
        "remaining_time": None,
    }
    assert second["item_ahead"] == "1,1"
    job = jobs[0]
    assert job["worker"] == {
        "name": "Unknown",
        "hostname": "h",
        "ips": ["10.0.0.1"],
        "fqdn": None,
        "program": None,
        "version": None,
        "extra": {"a": 1},
    }
    assert job["report_url"] == "http://logs/1/unit/5"
    assert (job["number"], job["result"], job["voting"]) == (5, None, True)
    assert isinstance(job["elapsed_time"], int)
    assert isinstance(job["start_time"], float)
    assert (job["estimated_time"], job["remaining_time"]) == (0.0, None)
    assert set(jobs[1]) == set(job)


def test_job_without_a_build() -> None:
    gate = Gate()
    gate.approve(make_change(1))
    job = gate.items("gate")[0]["jobs"][1]
    assert job.pop("node_labels") == []
    assert job.pop("name") == "unit"
    assert job.pop("voting") is True
    assert set(job.values()) == {None}


def test_remaining_time_does_not_fall_along_a_head() -> None:
    gate = Gate(gate_config({"p": tree("slow"), "q": tree("fast")}))
    gate.times.estimates |= {"slow": 1000.0, "fast": 10.0}
    gate.approve(make_change(1), make_change(2, "q"))
    gate.start("slow 1")
    gate.start("fast 2")
    first, second = (item["remaining_time"] for item in gate.items("gate"))
    assert first == second > 900_000


def test_failing_item_starts_a_new_head_for_those_behind() -> None:
    gate = Gate(gate_config({"p": tree("unit", "docs")}))
    gate.approve(make_change(1), make_change(2))
    gate.finish("unit 1", "FAILURE")
    (queue,) = gate.status()["pipelines"][0]["change_queues"]
    assert [[item["id"] for item in head] for head in queue["heads"]] == [["1,1"], ["2,1"]]
    assert queue["heads"][0][0]["failing_reasons"] == ["at least one job failed"]


def test_items_of_a_change() -> None:
    gate = Gate()
    change = make_change(1)
    gate.upload(change)
    gate.approve(change, make_change(2))
    snapshot = gate.scheduler.snapshot(gate.now)
    assert [item["id"] for item in render_change(snapshot, gate.now, "1,1")] == ["1,1", "1,1"]
    assert render_change(snapshot, gate.now, "7,7") == []
    assert len(render_items(snapshot, gate.now)) == 3


def test_snapshot_does_not_change_any_more() -> None:
    gate = Gate()
    gate.approve(make_change(1))
    snapshot = gate.scheduler.snapshot(gate.now)
    before = render(snapshot, gate.now, version="x")
    now = gate.now
    gate.finish_all()
    assert render(snapshot, now, version="x") == before
