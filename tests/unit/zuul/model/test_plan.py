"""What may run when, over a job tree."""

from __future__ import annotations

from zuul.model.build import Build
from zuul.model.job import Job, JobNode, JobTree
from zuul.model.plan import JobPlan, make_plan

A, B, C, D = (Job(name) for name in "abcd")
QUIET = Job("quiet", voting=False)


def plan_of(*nodes: JobNode, absent: str = "") -> JobPlan:
    tree = JobTree(nodes)
    return make_plan(tree, {n.job.name: n.job.name != absent for n in tree.walk()})


def results(**found: str | None) -> dict[str, Build]:
    return {name: Build(name, result=result) for name, result in found.items()}


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


def test_children_run_after_their_parent_succeeded() -> None:
    plan = plan_of(JobNode(A, (JobNode(B, (JobNode(C),)),)), JobNode(D))
    assert names(plan.runnable({})) == ["a", "d"]
    assert names(plan.runnable(results(a=None, d=None))) == []
    assert names(plan.runnable(results(a="SUCCESS", d="FAILURE"))) == ["b"]
    assert names(list(plan.below("a"))) == ["b", "c"]
    assert names(list(plan.below("d"))) == []


def test_children_of_an_absent_job_are_absent() -> None:
    plan = plan_of(JobNode(A, (JobNode(B, (JobNode(C),)),)), JobNode(D), absent="b")
    assert [job.name for job in plan.jobs] == ["a", "d"]


def test_one_job_on_two_places_is_one_build() -> None:
    plan = plan_of(JobNode(A, (JobNode(C),)), JobNode(B, (JobNode(C),)))
    assert [job.name for job in plan.jobs] == ["a", "c", "b"]
    assert names(plan.runnable(results(a=None, b="SUCCESS"))) == ["c"]
    assert names(plan.runnable(results(a=None, b="SUCCESS", c=None))) == []


def test_outcome() -> None:
    plan = plan_of(JobNode(A), JobNode(QUIET))
    assert not plan.is_complete(results(a="SUCCESS", quiet=None))
    assert plan.is_complete(results(a="SUCCESS", quiet="FAILURE"))
    assert plan.has_succeeded(results(a="SUCCESS", quiet="FAILURE"))
    assert not plan.has_failed(results(a="SUCCESS", quiet="FAILURE"))
    assert plan.has_failed(results(a="ABORTED"))
    assert not plan.has_succeeded(results(a="ABORTED"))
    assert not plan.has_succeeded({})


def test_release() -> None:
    plan = plan_of(JobNode(Job("hold", hold_following_changes=True)), JobNode(A))
    assert not plan.is_released(results(a="SUCCESS", hold=None))
    assert plan.is_released(results(hold="SUCCESS"))
