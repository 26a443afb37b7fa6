"""A Document -> Layout: the sections of the file in the order in which they rest on each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.layout.functions import Functions
from zuul.layout.jobs import JobEntry, build_jobs, read_jobs
from zuul.layout.origins import Origins
from zuul.layout.pipelines import read_pipelines
from zuul.layout.projects import ProjectEntry, ProjectReader
from zuul.layout.shared_queues import find_queues
from zuul.layout.templates import read_templates
from zuul.layout.trees import Sprout
from zuul.lib.yaml_fields import Fields
from zuul.model.job import NOOP, Job, JobNode, JobTree
from zuul.model.layout import Layout, Manager, PipelineConfig, Project, SharedQueue


class Built(NamedTuple):
    """A layout, and where its jobs' rules come from."""

    layout: Layout
    origins: Origins


def build_layout(context: Context, known_jobs: Iterable[str] | None = None) -> Built:
    """The layout as far as it could be read; it counts only if the document is sound then."""
    document = context.document
    top = Fields(document, document.root, "a map with pipelines and projects")
    functions = Functions(context)
    includes = top.take("includes")
    if includes is not None:
        functions.include(includes)
    pipelines = read_pipelines(context, _section(top, "pipelines", required=True))
    entries = read_jobs(context, functions, _section(top, "jobs"))
    templates = read_templates(context, _section(top, "project-templates"), pipelines)
    reader = ProjectReader(context, templates, pipelines)
    projects = reader.read(_section(top, "projects", required=True))
    top.finish()
    jobs = build_jobs(entries, reader.mentions)
    if known_jobs is not None:
        _check_known(context, jobs, entries, reader.mentions, frozenset(known_jobs))
    grower = _Grower(jobs)
    built = []
    for pipeline in pipelines.values():
        trees = {
            name: entry.trees[pipeline.name]
            for name, entry in projects.items()
            if pipeline.name in entry.trees
        }
        queues: tuple[SharedQueue, ...] = ()
        if pipeline.manager is Manager.DEPENDENT:
            queues = _queues(context, pipeline, trees, jobs, reader.mentions)
        grown = {name: grower.tree(tree) for name, tree in trees.items()}
        built.append(replace(pipeline, trees=grown, queues=queues))
    _warn_of_filtered_parents(context, built, reader.mentions)
    layout = Layout(tuple(built), _projects(projects), jobs)
    return Built(layout, Origins(document, entries))


def _section(top: Fields, key: str, *, required: bool = False) -> list[Node]:
    node = top.take(key)
    if node is not None:
        return top.document.sequence(node, f"a list of {key}")
    if required:
        top.missing(key)
    return []


def _projects(entries: dict[str, ProjectEntry]) -> dict[str, Project]:
    return {name: entry.project for name, entry in entries.items()}


class _Grower:
    """Turns sprouts into trees; equal leaves are one object."""

    def __init__(self, jobs: dict[str, Job]) -> None:
        self._jobs = jobs
        self._leaves: dict[str, JobNode] = {}

    def tree(self, sprout: Sprout) -> JobTree:
        return JobTree(self._level(sprout))

    def _level(self, sprout: Sprout) -> tuple[JobNode, ...]:
        return tuple([self._node(name, below) for name, below in sprout.items()])

    def _node(self, name: str, below: Sprout) -> JobNode:
        if below:
            return JobNode(self._jobs[name], self._level(below))
        leaf = self._leaves.get(name)
        if leaf is None:
            leaf = self._leaves[name] = JobNode(self._jobs[name])
        return leaf


def _names(sprout: Sprout) -> list[str]:
    found: list[str] = []
    for name, below in sprout.items():
        found.append(name)
        if below:
            found += _names(below)
    return found


def _queues(
    context: Context,
    pipeline: PipelineConfig,
    trees: dict[str, Sprout],
    jobs: dict[str, Job],
    mentions: dict[str, Node],
) -> tuple[SharedQueue, ...]:
    by_project = {name: _names(tree) for name, tree in trees.items()}
    queues, conflicts = find_queues(by_project, jobs)
    for conflict in conflicts:
        named = ", ".join(f"{queue!r} (by {job})" for queue, job in conflict.names)
        context.document.complain(
            mentions[conflict.names[1][1]],
            f"More than one name assigned to change queue of {pipeline.name}: {named}; its"
            f" projects are {', '.join(conflict.projects)}",
        )
    return queues


def _check_known(
    context: Context,
    jobs: dict[str, Job],
    entries: list[JobEntry],
    mentions: dict[str, Node],
    known: frozenset[str],
) -> None:
    places = {entry.name: entry.node for entry in entries} | mentions
    for name in jobs:
        if name not in known and name != NOOP:
            context.document.complain(places[name], f"FAILURE: no worker knows the job {name!r}")


def _warn_of_filtered_parents(
    context: Context, pipelines: Iterable[PipelineConfig], mentions: dict[str, Node]
) -> None:
    """A job that does not apply takes the jobs below it with it, whatever their own filters."""
    warned: set[str] = set()
    for pipeline in pipelines:
        for tree in pipeline.trees.values():
            for node in tree.walk():
                job = node.job
                if not node.children or job.name in warned:
                    continue
                if job.branches or job.files or job.skip_if:
                    warned.add(job.name)
                    context.document.warn(
                        mentions[job.name],
                        f"{job.name!r} has filters and jobs below it: where it does not apply,"
                        " they do not run either",
                    )
