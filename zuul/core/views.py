"""What parameter functions and templates see: read-only facades with the attributes they rely on.

An attribute that a kind of item does not have is absent, not None: sites' functions ask
`hasattr(item.change, "refspec")`. The names here are contract (zuul.md 4): never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zuul.model.build import Build, BuildSet
from zuul.model.change import Change, Changeish, Ref
from zuul.model.job import Job
from zuul.model.queue import QueueItem


@dataclass(frozen=True, slots=True)
class ProjectView:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class PipelineView:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A patch set of a review."""

    project: ProjectView
    number: str
    patchset: str
    branch: str
    refspec: str
    id: str
    url: str | None
    files: tuple[str, ...]
    status: str
    owner: Mapping[str, Any]
    commit_message: str

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class RefView:
    """A branch or tag that moved."""

    project: ProjectView
    ref: str
    oldrev: str
    newrev: str
    id: str
    url: str | None

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, slots=True)
class NullView:
    """A timer's tick on a project."""

    project: ProjectView


@dataclass(frozen=True, slots=True)
class JobView:
    name: str
    voting: bool
    tags: frozenset[str]
    queue_name: str | None
    failure_message: str | None
    success_message: str | None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class BuildView:
    """A build, or the place of one that never ran: then number and uuid are None."""

    job: JobView
    pipeline: PipelineView
    uuid: str | None
    number: str | int | float | None
    url: str | None
    result: str | None
    parameters: Mapping[str, str | None]
    launch_time: float | None
    start_time: float | None
    end_time: float | None
    node_name: str | None
    node_labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildSetView:
    #: `Z` + 32 hex digits
    ref: str | None
    commit: str | None
    zuul_url: str | None


@dataclass(frozen=True, slots=True)
class ItemView:
    change: ChangeView | RefView | NullView
    pipeline: PipelineView
    current_build_set: BuildSetView
    live: bool
    enqueue_time: float


def view_change(change: Changeish) -> ChangeView | RefView | NullView:
    project = ProjectView(change.project)
    if isinstance(change, Change):
        return ChangeView(
            project=project,
            number=change.key.number,
            patchset=change.key.patchset,
            branch=change.branch,
            refspec=change.refspec,
            id=str(change.key),
            url=change.url,
            files=change.files or (),
            status=change.status,
            owner=change.owner,
            commit_message=change.commit_message,
        )
    if isinstance(change, Ref):
        return RefView(
            project=project,
            ref=change.ref,
            oldrev=change.oldrev,
            newrev=change.newrev,
            id=change.newrev,
            url=change.url,
        )
    return NullView(project)


def view_job(job: Job) -> JobView:
    return JobView(
        name=job.name,
        voting=job.voting,
        tags=job.tags,
        queue_name=job.queue_name,
        failure_message=job.failure_message,
        success_message=job.success_message,
    )


def view_build(job: Job, build: Build, pipeline: str) -> BuildView:
    return BuildView(
        job=view_job(job),
        pipeline=PipelineView(pipeline),
        uuid=build.id,
        number=build.data.number,
        url=build.data.url,
        result=build.result,
        parameters=build.parameters,
        launch_time=build.launched_at,
        start_time=build.started_at,
        end_time=build.ended_at,
        node_name=build.data.node_name,
        node_labels=build.data.node_labels,
    )


def view_build_set(build_set: BuildSet) -> BuildSetView:
    return BuildSetView(
        ref=build_set.zuul_ref, commit=build_set.commit, zuul_url=build_set.zuul_url
    )


def view_item(item: QueueItem) -> ItemView:
    return ItemView(
        change=view_change(item.change),
        pipeline=PipelineView(item.pipeline),
        current_build_set=view_build_set(item.build_set),
        live=item.live,
        enqueue_time=item.enqueued_at,
    )
