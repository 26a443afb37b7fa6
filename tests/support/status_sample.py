"""A status document such as a busy day gives: for looking at the page and for measuring.

`python -m tests.support.status_sample [CHANGES]` serves it with the page on a free port.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import Future
from typing import Any

from zuul.config import parse_config
from zuul.daemon.web import WebServer

JOBS = ("merge", "pep8", "docs", "python27", "python34", "tempest-dsvm-full", "grenade-dsvm")
PROJECTS = ("openstack/nova", "openstack/cinder", "openstack/neutron", "openstack-infra/zuul")


def make_job(rng: random.Random, name: str, pipeline: str, state: str, now: float) -> dict:
    elapsed = rng.randrange(60_000, 2_000_000)
    remaining = rng.randrange(60_000, 1_500_000)
    started = state != "queued"
    result = None if state in ("queued", "running") else state
    return {
        "name": name,
        "voting": name != "grenade-dsvm",
        "result": result,
        "url": f"https://jenkins.example.org/job/{name}/7/" if started else None,
        "report_url": f"https://logs.example.org/{name}/" if result else None,
        "uuid": f"{rng.getrandbits(128):032x}",
        "number": 7 if started else None,
        "pipeline": pipeline,
        "canceled": False,
        "retry": False,
        "launch_time": now - 2000,
        "start_time": now - elapsed / 1000 if started else None,
        "end_time": now if result else None,
        "estimated_time": (elapsed + remaining) / 1000,
        "elapsed_time": elapsed if started else None,
        "remaining_time": 0 if result else remaining if started else None,
        "node_labels": ["trusty"],
        "node_name": f"trusty-{rng.randrange(10_000)}" if started else None,
        "worker": None,
    }


def make_item(rng: random.Random, number: int, pipeline: str, kind: str, now: float) -> dict:
    states = {
        "failing": ("SUCCESS", "FAILURE", "running"),
        "waiting": ("queued",),
        "done": ("SUCCESS",),
    }.get(kind, ("SUCCESS", "running", "running", "queued"))
    names = [f"gate-{name}" for name in JOBS[: rng.randrange(3, len(JOBS) + 1)]]
    jobs = [make_job(rng, name, pipeline, rng.choice(states), now) for name in names]
    reasons = {"failing": ["at least one job failed"], "conflict": ["it has a merge conflict"]}
    return {
        "id": f"{number},{rng.randrange(1, 9)}",
        "url": f"https://review.example.org/{number}",
        "project": rng.choice(PROJECTS),
        "owner": {"name": "A <b>Dev</b>", "email": "dev@example.org", "username": "adev"},
        "live": kind != "base",
        "active": kind != "waiting",
        "item_ahead": None,
        "items_behind": [],
        "conflict": None,
        "waiting": "it is outside the window" if kind == "waiting" else None,
        "waiting_kind": "window" if kind == "waiting" else None,
        "failing_reasons": reasons.get(kind, []),
        "zuul_ref": f"Z{rng.getrandbits(128):032x}",
        "enqueue_time": int((now - rng.randrange(60, 5 * 3600)) * 1000),
        "remaining_time": None if kind == "waiting" else rng.randrange(0, 3_000_000),
        "jobs": [] if kind in ("base", "conflict") else jobs,
    }


def make_heads(items: list[dict]) -> list[list[dict]]:
    """Hang each item off the nearest one before it that does not fail."""
    heads: list[list[dict]] = []
    ahead: dict | None = None
    for item in items:
        if ahead is None:
            heads.append([])
        else:
            item["item_ahead"] = ahead["id"]
            ahead["items_behind"].append(item["id"])
        heads[-1].append(item)
        if not item["failing_reasons"]:
            ahead = item
    return heads


def make_document(changes: int = 40, seed: int = 7, now: float | None = None) -> dict[str, Any]:
    rng = random.Random(seed)
    now = time.time() if now is None else now
    numbers = iter(range(100_000, 100_000 + 2 * changes + 10))
    gate = []
    for position in range(max(1, changes // 2)):
        kind = "waiting" if position >= 20 else rng.choice(("ok", "ok", "ok", "failing", "done"))
        kind = {3: "failing", 4: "conflict"}.get(position, kind)
        gate.append(make_item(rng, next(numbers), "gate", kind, now))
    small = [make_item(rng, next(numbers), "gate", "ok", now) for _ in range(2)]
    check = []
    for position in range(max(1, changes - len(gate) - 4)):
        chain = [make_item(rng, next(numbers), "check", rng.choice(("ok", "failing")), now)]
        if position == 1:
            chain.insert(0, make_item(rng, next(numbers), "check", "base", now))
        check.append({"name": "", "window": 0, "stopped": None, "heads": make_heads(chain)})
    queues = [
        {"name": "integrated", "window": 20, "stopped": None, "heads": make_heads(gate)},
        {
            "name": "openstack-infra/zuul",
            "window": 20,
            "stopped": "trees differ",
            "heads": make_heads(small),
        },
    ]
    about = "Changes that core reviewers approved.\n\nThey merge when all jobs pass."
    return {
        "zuul_version": "0.1.0",
        "trigger_event_queue": {"length": 3},
        "result_event_queue": {"length": 0},
        "last_reconfigured": int((now - 86_400) * 1000),
        "pipelines": [
            {"name": "check", "description": "Newly uploaded patches.", "change_queues": check},
            {"name": "gate", "description": about, "change_queues": queues},
            {"name": "post", "description": None, "change_queues": []},
        ],
    }


class Sample:
    """Stands for the scheduler."""

    def __init__(self, changes: int) -> None:
        self._changes = changes

    def request_snapshot(self) -> Future[Sample]:
        future: Future[Sample] = Future()
        future.set_result(self)
        return future

    def document(self) -> dict[str, Any]:
        return make_document(self._changes)


def main() -> None:
    sample = Sample(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
    text = (
        "[gearman]\nserver=127.0.0.1\n[zuul]\nlayout_config=/l\n"
        "[webapp]\nlisten_address=127.0.0.1\nport=0\n"
    )
    server = WebServer(parse_config(text, "sample"), sample)
    server.start()
    print(f"http://127.0.0.1:{server.port}/", flush=True)
    try:
        time.sleep(3600)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
