"""A Layout as plain data: what `zuul layout show --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zuul.model.job import Job, JobNode
from zuul.model.layout import Layout, PipelineConfig


def expand_layout(layout: Layout) -> dict[str, Any]:
    """Every pipeline with its trees and queues, and the settings of every job that stands in one.

    Ready for JSON.
    """
    used = {
        node.job.name: node.job
        for pipeline in layout.pipelines
        for tree in pipeline.trees.values()
        for node in tree.walk()
    }
    return {
        "pipelines": [_pipeline(pipeline) for pipeline in layout.pipelines],
        "jobs": {name: _job(job) for name, job in sorted(used.items())},
    }


def _pipeline(pipeline: PipelineConfig) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "manager": pipeline.manager.value,
        "precedence": int(pipeline.precedence),
        "projects": {name: _nodes(tree.nodes) for name, tree in sorted(pipeline.trees.items())},
        "queues": [[list(queue.projects), queue.name] for queue in pipeline.queues],
    }


def _nodes(nodes: Sequence[JobNode]) -> list[dict[str, Any]]:
    return [{"job": node.job.name, "after": _nodes(node.children)} for node in nodes]


def _job(job: Job) -> dict[str, Any]:
    """The settings that say something: what is empty, false or null is left out."""
    settings = {
        "voting": job.voting,
        "attempts": job.attempts,
        "hold_following_changes": job.hold_following_changes,
        "queue_name": job.queue_name,
        "success_message": job.success_message,
        "failure_message": job.failure_message,
        "success_pattern": job.success_pattern,
        "failure_pattern": job.failure_pattern,
        "mutex": job.mutex,
        "tags": sorted(job.tags),
        "branches": [pattern.pattern for pattern in job.branches],
        "files": [pattern.pattern for pattern in job.files],
        "parameter_function": job.parameter_function_name,
    }
    return {key: value for key, value in settings.items() if value}
