"""Which jobs an item has, in what order, and what must succeed before each.

A plan is a project's job tree without the jobs that do not apply to the change. The children of
a job that does not apply are absent with it: they could never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from zuul.model.build import SUCCESS, Build
from zuul.model.job import Job, JobTree


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A place in the flattened tree."""

    job: Job
    #: index of the parent's node; -1 at the top
    parent: int


@dataclass(frozen=True)
class JobPlan:
    """The jobs of one item, parents first. One job on several nodes shares one build."""

    nodes: tuple[PlanNode, ...] = ()

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Each job once, in the order of its first place."""
        return tuple({node.job.name: node.job for node in self.nodes}.values())

    @cached_property
    def by_name(self) -> Mapping[str, Job]:
        return {job.name: job for job in self.jobs}

    @cached_property
    def holding(self) -> tuple[str, ...]:
        """Names of the jobs that hold following changes."""
        return tuple(job.name for job in self.jobs if job.hold_following_changes)

    @cached_property
    def _places(self) -> Mapping[str, frozenset[int]]:
        """By job name: its own nodes and those below them."""
        below: list[set[str]] = []
        places: dict[str, set[int]] = {job.name: set() for job in self.jobs}
        for index, node in enumerate(self.nodes):
            above = set(below[node.parent]) if node.parent >= 0 else set()
            below.append(above | {node.job.name})
            for name in below[index]:
                places[name].add(index)
        return {name: frozenset(indices) for name, indices in places.items()}

    def below(self, name: str) -> Iterator[Job]:
        """The jobs that need `name` to succeed, directly or not, in the plan's order."""
        for index in sorted(self._places.get(name, ())):
            if self.nodes[index].job.name != name:
                yield self.nodes[index].job

    def runnable(self, builds: Mapping[str, Build]) -> list[Job]:
        """Jobs without a build whose parent, if any, has succeeded."""
        found: dict[str, Job] = {}
        for node in self.nodes:
            if node.job.name in builds or node.job.name in found:
                continue
            if node.parent >= 0:
                parent = builds.get(self.nodes[node.parent].job.name)
                if parent is None or parent.result != SUCCESS:
                    continue
            found[node.job.name] = node.job
        return list(found.values())

    def is_complete(self, builds: Mapping[str, Build]) -> bool:
        """Whether each job has a result."""
        return all(
            (build := builds.get(job.name)) is not None and build.result is not None
            for job in self.jobs
        )

    def has_succeeded(self, builds: Mapping[str, Build]) -> bool:
        """Whether each voting job has succeeded."""
        return all(
            (build := builds.get(job.name)) is not None and build.result == SUCCESS
            for job in self.jobs
            if job.voting
        )

    def has_failed(self, builds: Mapping[str, Build]) -> bool:
        """Whether some voting job has ended otherwise than well. What we cancelled says nothing."""
        return any(
            job.voting
            and (build := builds.get(job.name)) is not None
            and build.result not in (None, SUCCESS)
            and not build.canceled
            for job in self.jobs
        )

    def is_released(self, builds: Mapping[str, Build]) -> bool:
        """Whether no job of ours holds what follows."""
        return all(
            (build := builds.get(name)) is not None and build.result == SUCCESS
            for name in self.holding
        )


NO_JOBS = JobPlan()


def make_plan(tree: JobTree, applies: Mapping[str, bool]) -> JobPlan:
    """The plan of a tree; `applies`: by job name."""
    nodes: list[PlanNode] = []
    stack = [(node, -1) for node in reversed(tree.nodes)]
    while stack:
        node, parent = stack.pop()
        if not applies[node.job.name]:
            continue
        nodes.append(PlanNode(node.job, parent))
        here = len(nodes) - 1
        stack.extend((child, here) for child in reversed(node.children))
    return JobPlan(tuple(nodes))
