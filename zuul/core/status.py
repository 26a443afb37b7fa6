"""A snapshot as the document of status.json (contract zuul.md 9). For any thread; pure.

Compat: units are mixed as they always were: milliseconds for enqueue_time, elapsed_time and
remaining_time, seconds for the other times of a build.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from zuul.core.snapshot import ItemStatus, PipelineStatus, QueueStatus, StatusSnapshot
from zuul.core.urls import report_url
from zuul.model.brakes import Freeze
from zuul.model.build import Build, Worker
from zuul.model.change import Change, Key, Ref
from zuul.model.job import Job

Document = dict[str, Any]


def render(
    snapshot: StatusSnapshot,
    now: float,
    *,
    version: str,
    trigger_queue_length: int = 0,
    result_queue_length: int = 0,
) -> Document:
    """The whole document."""
    document: Document = {"zuul_version": version}
    if snapshot.exiting:
        document["message"] = (
            f"Queue only mode: preparing to exit, queue length: {escape(str(trigger_queue_length))}"
        )
    document["trigger_event_queue"] = {"length": trigger_queue_length}
    document["result_event_queue"] = {"length": result_queue_length}
    if snapshot.reconfigured_at is not None:
        document["last_reconfigured"] = int(snapshot.reconfigured_at * 1000)
    document["pipelines"] = [
        _pipeline(pipeline, now, snapshot.url_pattern) for pipeline in snapshot.pipelines
    ]
    return document


def render_change(snapshot: StatusSnapshot, now: float, change_id: str) -> list[Document]:
    """All items, in any pipeline, whose id is `N,P`."""
    return [
        _item(item, now, snapshot.url_pattern)
        for item in _items(snapshot)
        if _id(item.change.key) == change_id
    ]


def render_items(snapshot: StatusSnapshot, now: float) -> list[Document]:
    """All items of all pipelines."""
    return [_item(item, now, snapshot.url_pattern) for item in _items(snapshot)]


def _items(snapshot: StatusSnapshot) -> Iterator[ItemStatus]:
    for pipeline in snapshot.pipelines:
        for queue in pipeline.queues:
            yield from queue.items


def _pipeline(pipeline: PipelineStatus, now: float, url_pattern: str | None) -> Document:
    return {
        "name": pipeline.name,
        "description": pipeline.description,
        "disabled": pipeline.disabled,
        "freezes": [_freeze(freeze) for freeze in pipeline.freezes],
        "change_queues": [_queue(queue, now, url_pattern) for queue in pipeline.queues],
    }


def _freeze(freeze: Freeze) -> Document:
    return {
        "project": freeze.project,
        "reason": freeze.reason,
        "since": int(freeze.at * 1000),
    }


def _queue(queue: QueueStatus, now: float, url_pattern: str | None) -> Document:
    heads: list[list[Document]] = []
    longest: int | None = 0
    for status in queue.items:
        item = _item(status, now, url_pattern)
        if status.item_ahead is None or not heads:
            heads.append([])
            longest = 0
        # an item cannot be done before those ahead of it
        if item["remaining_time"] is not None:
            longest = max(longest or 0, item["remaining_time"])
            item["remaining_time"] = longest
        heads[-1].append(item)
    return {
        "name": queue.name,
        "window": queue.window,
        "stopped": queue.stopped,
        "heads": heads,
    }


def _item(item: ItemStatus, now: float, url_pattern: str | None) -> Document:
    change = item.change
    jobs = [_job(job, item, now, url_pattern) for job in item.plan.jobs] if item.live else []
    conflict = item.conflict
    return {
        "id": _id(change.key),
        "url": change.url if isinstance(change, (Change, Ref)) else None,
        "project": change.project,
        "owner": (dict(change.owner) or None) if isinstance(change, Change) else None,
        "live": item.live,
        "active": item.active,
        "item_ahead": _id(item.item_ahead) if item.item_ahead is not None else None,
        "items_behind": [_id(key) for key in item.items_behind],
        "failing_reasons": list(item.failing_reasons),
        "conflict": (
            f"{conflict.project} {conflict.number},{conflict.patchset}" if conflict else None
        ),
        "waiting": item.waiting.text if item.waiting else None,
        "waiting_kind": item.waiting.kind.value if item.waiting else None,
        "brake": item.brake,
        "zuul_ref": item.zuul_ref,
        "enqueue_time": int(item.enqueued_at * 1000),
        "remaining_time": _longest_remaining(jobs),
        "jobs": jobs,
    }


def _id(key: Key) -> str | None:
    return str(key) or None


def _longest_remaining(jobs: list[Document]) -> int | None:
    """None until every job has started or ended without."""
    longest = 0
    for job in jobs:
        if job["result"] is None and job["start_time"] is None:
            return None
        longest = max(longest, job["remaining_time"] or 0)
    return longest


def _job(job: Job, item: ItemStatus, now: float, url_pattern: str | None) -> Document:
    build = item.builds.get(job.name)
    document: Document = {
        "name": job.name,
        "voting": job.voting,
        "result": None,
        "url": None,
        "report_url": None,
        "uuid": None,
        "number": None,
        "pipeline": None,
        "canceled": None,
        "retry": None,
        "launch_time": None,
        "start_time": None,
        "end_time": None,
        "estimated_time": None,
        "elapsed_time": None,
        "remaining_time": None,
        "node_labels": [],
        "node_name": None,
        "worker": None,
    }
    if build is not None:
        url = report_url(job, build, item.change, item.pipeline, url_pattern)
        document |= _build(build, item.pipeline, now, url)
    return document


def _build(build: Build, pipeline: str, now: float, url: str) -> Document:
    elapsed = remaining = None
    if build.started_at is not None:
        end = now if build.ended_at is None else build.ended_at
        elapsed = max(0, int((end - build.started_at) * 1000))
        if build.ended_at is not None:
            remaining = 0
        elif build.estimate:
            remaining = max(0, int(build.estimate * 1000) - elapsed)
    return {
        "result": build.result,
        "url": build.data.url,
        "report_url": url,
        "uuid": build.id,
        "number": build.data.number,
        "pipeline": pipeline,
        "canceled": build.canceled,
        "retry": False,
        "launch_time": build.launched_at,
        "start_time": build.started_at,
        "end_time": build.ended_at,
        "estimated_time": None if build.started_at is None else build.estimate,
        "elapsed_time": elapsed,
        "remaining_time": remaining,
        "node_labels": list(build.data.node_labels),
        "node_name": build.data.node_name,
        "worker": _worker(build.data.worker),
    }


def _worker(worker: Worker) -> Document:
    return {
        "name": worker.name or "Unknown",
        "hostname": worker.hostname,
        "ips": list(worker.ips),
        "fqdn": worker.fqdn,
        "program": worker.program,
        "version": worker.version,
        "extra": dict(worker.extra),
    }
