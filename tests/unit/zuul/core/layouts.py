"""Layouts for a gate: pipelines by their projects' trees of jobs."""

from __future__ import annotations

from typing import Any

from zuul.model.job import Job, JobNode, JobTree
from zuul.model.layout import (
    ActionKind,
    Layout,
    Manager,
    PipelineConfig,
    Precedence,
    Project,
    ReportAction,
    SharedQueue,
    WindowConfig,
)
from zuul.model.matching import EventFilter


def tree(*names: Any, **jobs: Job) -> JobTree:
    """`tree(("merge", ["a", "b"]), "c")`; a Job instead of a name is taken as it is."""

    def node(entry: Any) -> JobNode:
        if isinstance(entry, tuple):
            return JobNode(job(entry[0]), tuple(node(child) for child in entry[1]))
        return JobNode(job(entry))

    def job(name: Any) -> Job:
        return name if isinstance(name, Job) else jobs.get(name, Job(name))

    return JobTree(tuple(node(entry) for entry in names))


DEFAULT_TREE = tree(
    (Job("merge", hold_following_changes=True), ["unit", "docs"]),
)


def gate_config(trees: dict[str, JobTree], **more: Any) -> PipelineConfig:
    """A dependent pipeline whose projects share one queue."""
    actions = {
        ActionKind.START: (ReportAction("gerrit", {"verified": 0}),),
        ActionKind.SUCCESS: (ReportAction("gerrit", {"verified": 2, "submit": True}),),
        ActionKind.FAILURE: (ReportAction("gerrit", {"verified": -2}),),
    }
    settings: dict[str, Any] = {
        "name": "gate",
        "manager": Manager.DEPENDENT,
        "precedence": Precedence.HIGH,
        "filters": (
            EventFilter("gerrit", frozenset({"comment-added"}), approvals={"approved": 1}),
        ),
        "actions": actions,
        "merge_failure_message": "Merge Failed.",
        "trees": trees,
        "queues": (SharedQueue("integrated", tuple(sorted(trees))),),
        "window": WindowConfig(),
    }
    return PipelineConfig(**(settings | more))


def check_config(trees: dict[str, JobTree], **more: Any) -> PipelineConfig:
    actions = {
        ActionKind.SUCCESS: (ReportAction("gerrit", {"verified": 1}),),
        ActionKind.FAILURE: (ReportAction("gerrit", {"verified": -1}),),
    }
    settings: dict[str, Any] = {
        "name": "check",
        "manager": Manager.INDEPENDENT,
        "filters": (EventFilter("gerrit", frozenset({"patchset-created"})),),
        "actions": actions,
        "merge_failure_message": "Merge Failed.",
        "trees": trees,
    }
    return PipelineConfig(**(settings | more))


def make_layout(*pipelines: PipelineConfig) -> Layout:
    names = sorted({name for pipeline in pipelines for name in pipeline.trees})
    jobs = {
        node.job.name: node.job
        for pipeline in pipelines
        for job_tree in pipeline.trees.values()
        for node in job_tree.walk()
    }
    return Layout(pipelines, {name: Project(name) for name in names}, jobs)
