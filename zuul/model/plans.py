"""Makes job plans; items whose changes match alike share one."""

from __future__ import annotations

from collections.abc import Mapping

from zuul.model.change import Changeish
from zuul.model.job import Job, JobTree
from zuul.model.matchers import job_applies
from zuul.model.plan import NO_JOBS, JobPlan, make_plan


class PlanMaker:
    """For the trees of one pipeline."""

    def __init__(self, trees: Mapping[str, JobTree]) -> None:
        self._trees = trees
        self._jobs: dict[str, tuple[Job, ...]] = {}
        self._plans: dict[tuple[str, tuple[bool, ...]], JobPlan] = {}

    def plan(self, change: Changeish) -> JobPlan:
        """The jobs that apply to the change; none for a project without a tree."""
        project = change.project
        tree = self._trees.get(project)
        if tree is None:
            return NO_JOBS
        jobs = self._jobs.get(project)
        if jobs is None:
            distinct = {node.job.name: node.job for node in tree.walk()}
            jobs = self._jobs[project] = tuple(distinct.values())
        applies = tuple(job_applies(job, change) for job in jobs)
        plan = self._plans.get((project, applies))
        if plan is None:
            by_name = {job.name: flag for job, flag in zip(jobs, applies, strict=True)}
            plan = self._plans[(project, applies)] = make_plan(tree, by_name)
        return plan
