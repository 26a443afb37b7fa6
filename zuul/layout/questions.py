"""Ask a layout which jobs it runs, and why it does not run the others.

For `zuul layout jobs`, and for the tests that a site has of its own layout:

    questions = LayoutQuestions.read("layout.yaml")
    answer = questions.jobs("check", "org/project", branch="master", files=["doc/index.rst"])
    assert "project-docs" in answer.jobs
    assert "doc/" in answer.why_not("project-unit")

Names here are public: they are never renamed (doc/source/howto/test-a-layout.rst).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zuul.errors import LayoutError
from zuul.layout.loader import Traced, trace_layout, trace_text
from zuul.layout.origins import Origins, Place
from zuul.model.change import Change, Changeish, ChangeKey, NullChange, NullKey, Ref, RefKey
from zuul.model.job import Job, JobTree, SkipIf
from zuul.model.layout import Layout, Manager, PipelineConfig
from zuul.model.matchers import COMMIT_MESSAGE, Obstacle, Rule, branch_of, find_obstacle
from zuul.model.matching import TextPattern
from zuul.model.plan import NO_JOBS, JobPlan
from zuul.model.plans import PlanMaker
from zuul.model.trigger import TriggerEvent

#: patterns shown of a rule with many
_MANY = 3


class UnknownName(ValueError):
    """The layout has no pipeline of this name."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A job of the project that does not run, and the rule that keeps it away."""

    job: str
    #: `branch`, `files`, `skip-if`, or `parent` for a job below one that does not run
    rule: str
    #: what the rule asks for, and what it met
    text: str
    #: where the rule stands; None for `parent`
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.place}, {self.place.entry})" if self.place else self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pipeline runs for one change, ref or tick of a timer."""

    #: the jobs that run, parents first
    plan: JobPlan
    #: the other jobs of the project's tree, in its order
    absent: tuple[Absent, ...] = ()
    #: what else one should know
    notes: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[str, ...]:
        """Names of the jobs that run, in the order of the tree, each once."""
        return tuple(job.name for job in self.plan.jobs)

    def why_not(self, job: str) -> str:
        """Why a job does not run; "" if it does."""
        if job in self.plan.by_name:
            return ""
        for each in self.absent:
            if each.job == job:
                return str(each)
        return " ".join((f"{job} is not among the project's jobs in this pipeline.", *self.notes))


class LayoutQuestions:
    """One layout, and the answers it gives. Asking changes nothing."""

    def __init__(self, layout: Layout, origins: Origins | None = None) -> None:
        self.layout = layout
        self._origins = origins
        self._pipelines = {pipeline.name: pipeline for pipeline in layout.pipelines}
        self._makers = {each.name: PlanMaker(each.trees) for each in layout.pipelines}

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], connections: Mapping[str, str] | None = None
    ) -> LayoutQuestions:
        """Of a file; `connections` as for `read_layout`. Raises LayoutError with all problems."""
        return cls.of(trace_layout(Path(path), connections))

    @classmethod
    def parse(
        cls, text: str, name: str = "layout.yaml", *, base: Path | None = None
    ) -> LayoutQuestions:
        """Of a text; included files are sought in `base`. Raises LayoutError."""
        return cls.of(trace_text(text, name, base=base))

    @classmethod
    def of(cls, traced: Traced) -> LayoutQuestions:
        layout, problems, _ = traced.checked
        if layout is None:
            raise LayoutError(problems)
        return cls(layout, traced.origins)

    # -- questions -----------------------------------------------------------------------------

    def jobs(
        self, pipeline: str, project: str, branch: str = "master", files: Iterable[str] = ()
    ) -> Answer:
        """For a change. `files` as Gerrit lists them, `/COMMIT_MSG` among them.

        Raises UnknownName for a pipeline that the layout does not have.
        """
        key = ChangeKey("", "1", "1")
        return self.ask(pipeline, Change(key, project, branch, "", files=tuple(files)))

    def jobs_of_ref(self, pipeline: str, project: str, ref: str) -> Answer:
        """For a branch or tag that moved; `ref` as the server names it. Raises UnknownName."""
        return self.ask(pipeline, Ref(RefKey("", project, ref, ""), ""))

    def jobs_of_timer(self, pipeline: str, project: str) -> Answer:
        """For a tick of a timer. Raises UnknownName."""
        return self.ask(pipeline, NullChange(NullKey("", project)))

    def triggered(self, event: TriggerEvent) -> tuple[str, ...]:
        """Names of the pipelines that want the event.

        What a trigger or a pipeline requires of the change itself (its votes, its status) is not
        asked here.
        """
        return tuple(
            pipeline.name
            for pipeline in self.layout.pipelines
            if any(each.wants(event) for each in pipeline.filters)
        )

    def run(self, pipeline: str, change: Changeish) -> tuple[str, ...]:
        """The names of the jobs alone, which costs less than an Answer. Raises UnknownName."""
        self._pipeline(pipeline)
        return Answer(self._makers[pipeline].plan(change)).jobs

    def ask(self, pipeline: str, change: Changeish) -> Answer:
        """For anything that can stand in a queue. Raises UnknownName."""
        config = self._pipeline(pipeline)
        tree = config.trees.get(change.project)
        if tree is None:
            return Answer(NO_JOBS, notes=(self._why_no_tree(config, change.project),))
        plan = self._makers[pipeline].plan(change)
        absent = tuple(self._absent(tree, plan, change))
        return Answer(plan, absent, tuple(self._notes(config, tree, change)))

    def _pipeline(self, name: str) -> PipelineConfig:
        found = self._pipelines.get(name)
        if found is None:
            close = difflib.get_close_matches(name, list(self._pipelines), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UnknownName(f"the layout has no pipeline {name!r}{hint}")
        return found

    # -- why not -------------------------------------------------------------------------------

    def _absent(self, tree: JobTree, plan: JobPlan, change: Changeish) -> Iterable[Absent]:
        parents: dict[str, str] = {}
        seen: set[str] = set()
        for node in tree.walk():
            job = node.job
            for child in node.children:
                parents.setdefault(child.job.name, job.name)
            if job.name in plan.by_name or job.name in seen:
                continue
            seen.add(job.name)
            obstacle = find_obstacle(job, change)
            if obstacle is None:
                text = f"needs {parents[job.name]}, which does not run"
                yield Absent(job.name, "parent", text)
            else:
                place = self._origins.find(job.name, obstacle) if self._origins else None
                text = _explain(job, obstacle, change)
                yield Absent(job.name, obstacle.rule.value, text, place)

    def _why_no_tree(self, pipeline: PipelineConfig, project: str) -> str:
        if project not in self.layout.projects:
            close = difflib.get_close_matches(project, list(self.layout.projects), n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            return f"{project} is not in the layout: nothing runs for its changes.{hint}"
        if pipeline.manager is Manager.DEPENDENT:
            return f"{project} has no key {pipeline.name}: the pipeline ignores its changes."
        return (
            f"{project} has no key {pipeline.name}: the pipeline takes its changes, without jobs."
        )

    def _notes(self, pipeline: PipelineConfig, tree: JobTree, change: Changeish) -> Iterable[str]:
        if not isinstance(change, Change):
            return
        reviews = [each for each in pipeline.filters if each.types - {"ref-updated", "timer"}]
        if reviews and not any(
            not each.branches or any(pattern.match(change.branch) for pattern in each.branches)
            for each in reviews
        ):
            yield (
                f"No trigger of {pipeline.name} takes changes of the branch {change.branch}; one"
                " gets there as another's dependency at most."
            )
        files = change.files or ()
        if COMMIT_MESSAGE in files:
            return
        real = Change(change.key, change.project, change.branch, "", files=(*files, COMMIT_MESSAGE))
        differing = {
            node.job.name
            for node in tree.walk()
            if (find_obstacle(node.job, change) is None) != (find_obstacle(node.job, real) is None)
        }
        if differing:
            names = ", ".join(sorted(differing))
            yield (
                f"Gerrit lists {COMMIT_MESSAGE} among the files of each change; with it the answer"
                f" is another for {names}."
            )


def _explain(job: Job, obstacle: Obstacle, change: Changeish) -> str:
    branch = branch_of(change)
    if obstacle.rule is Rule.BRANCH:
        if branch is None:
            return f"branch: a timer's tick has none; asked for is {_any_of(job.branches)}"
        return f"branch: {branch} does not match {_any_of(job.branches)}"
    if obstacle.rule is Rule.FILES:
        if not isinstance(change, Change):
            return f"files: only changes have any; asked for is {_any_of(job.files)}"
        return f"files: no file of the change matches {_any_of(job.files)}"
    return f"skip-if: {_conditions(job.skip_if[obstacle.index], change)}"


def _conditions(rule: SkipIf, change: Changeish) -> str:
    met = []
    if rule.project:
        met.append(f"the project {change.project} matches {rule.project.pattern}")
    if rule.branch:
        met.append(f"{branch_of(change)} matches {rule.branch.pattern}")
    if rule.all_files_match_any:
        met.append(f"each file matches {_any_of(rule.all_files_match_any)}")
    return " and ".join(met) or "it has no condition, so that it skips everything"


def _any_of(patterns: tuple[TextPattern, ...]) -> str:
    shown = " or ".join(pattern.pattern for pattern in patterns[:_MANY])
    more = len(patterns) - _MANY
    return f"{shown} or {more} more" if more > 0 else shown
