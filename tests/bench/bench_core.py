"""What the core costs: one build result, enqueueing, draining, a failure at the head, a reload.

`python -m tests.bench.bench_core [--quick]` prints JSON; all times are CPU seconds of this process
unless the name says otherwise. `growth` is the exponent between the smallest and largest N.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from typing import Any

from zuul.core import commands, events
from zuul.core.messages import ReportOptions
from zuul.core.scheduler import Scheduler
from zuul.model.build import BuildData, MergeResult
from zuul.model.change import Approval, Change, ChangeKey, SubmitRecord
from zuul.model.job import Job, JobNode, JobTree
from zuul.model.layout import (
    ActionKind,
    Layout,
    Manager,
    PipelineConfig,
    Project,
    ReportAction,
    SharedQueue,
    WindowConfig,
)
from zuul.model.matching import EventFilter
from zuul.model.trigger import TriggerEvent

PROJECTS = tuple(f"org/p{n}" for n in range(5))
READY = (SubmitRecord("OK"),)
VOTE = (Approval("approved", 1),)


class Ids:
    def __init__(self) -> None:
        self._last = 0

    def new_id(self) -> str:
        self._last += 1
        return f"{self._last:032x}"


class Times:
    def estimate_seconds(self, job: str) -> float | None:
        return None

    def record(self, job: str, seconds: float, result: str) -> None:
        pass


class Silent:
    """An observer that looks away."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _nothing


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def make_layout(window: int, jobs: int = 3, hold: bool = False) -> Layout:
    """One shared queue over five projects; each change runs `jobs` jobs."""
    names = [Job(f"job{n}", hold_following_changes=hold and n == 0) for n in range(jobs)]
    if hold:
        nodes: tuple[JobNode, ...] = (JobNode(names[0], tuple(JobNode(job) for job in names[1:])),)
    else:
        nodes = tuple(JobNode(job) for job in names)
    gate = PipelineConfig(
        name="gate",
        manager=Manager.DEPENDENT,
        filters=(EventFilter("gerrit", frozenset({"comment-added"}), approvals={"approved": 1}),),
        actions={
            ActionKind.SUCCESS: (ReportAction("gerrit", {"verified": 2, "submit": True}),),
            ActionKind.FAILURE: (ReportAction("gerrit", {"verified": -2}),),
        },
        window=WindowConfig(start=window),
        trees={project: JobTree(nodes) for project in PROJECTS},
        queues=(SharedQueue("integrated", PROJECTS),),
    )
    return Layout(
        (gate,), {name: Project(name) for name in PROJECTS}, {job.name: job for job in names}
    )


def make_change(number: int, needs: tuple[ChangeKey, ...] = ()) -> Change:
    return Change(
        ChangeKey("gerrit", str(number), "1"),
        project=PROJECTS[number % len(PROJECTS)],
        branch="master",
        refspec=f"refs/changes/{number % 100:02}/{number}/1",
        files=("README", "setup.py"),
        needs=needs,
        submit_records=READY,
    )


class Bench:
    """A gate whose merges are answered at once; builds and reports when told to."""

    def __init__(self, window: int, hold: bool = False) -> None:
        self.scheduler = Scheduler(Ids(), Times(), Silent(), ReportOptions())
        self.now = 1.0
        self.builds: dict[str, commands.LaunchBuild] = {}
        self.reports: list[commands.SendReport] = []
        self.cpu = 0.0
        self.handle(events.LayoutLoaded(make_layout(window, hold=hold)))

    def handle(self, *batch: events.Event) -> None:
        pending: list[events.Event] = list(batch)
        while pending:
            self.now += 0.001
            started = time.process_time()
            issued = self.scheduler.handle(pending, self.now)
            self.cpu += time.process_time() - started
            pending = []
            for command in issued:
                if isinstance(command, commands.LaunchBuild):
                    self.builds[command.build] = command
                elif isinstance(command, commands.CancelBuild):
                    self.builds.pop(command.build)
                elif isinstance(command, commands.MergeChanges):
                    result = MergeResult(True, "c" * 40, "http://m", "m", "t" * 40, "b" * 40)
                    pending.append(events.MergeCompleted(command.request, result))
                elif isinstance(command, commands.SendReport):
                    merged = True if command.submit is not None else None
                    answer = events.ReportCompleted(command.report, True, merged)
                    pending.append(answer)

    def measured(self, step: Callable[[], None]) -> float:
        before = self.cpu
        step()
        return self.cpu - before

    def approve(self, change: Change) -> None:
        event = TriggerEvent(
            "gerrit",
            "comment-added",
            project=change.project,
            branch=change.branch,
            number=change.key.number,
            patchset=change.key.patchset,
            approvals=VOTE,
        )
        self.handle(events.TriggerReceived(event, change, (change,)))

    def fill(self, count: int) -> None:
        for number in range(1, count + 1):
            self.approve(make_change(number))

    def take(self) -> commands.LaunchBuild:
        return self.builds.pop(next(iter(self.builds)))

    def finish(self, build: commands.LaunchBuild, result: str = "SUCCESS") -> None:
        self.handle(events.BuildStarted(build.build, BuildData(number=1), self.now))
        self.handle(events.BuildCompleted(build.build, result, None, self.now))

    def drain(self) -> None:
        while self.builds:
            self.finish(self.take())


def one_result(count: int, window: int, rounds: int = 5) -> float:
    """Start and end of a build that changes its own item only; median of several."""
    bench = Bench(window)
    bench.fill(count)
    costs = []
    waiting = list(bench.builds)
    # the last jobs of items in the middle: neither head nor completed items
    for build in waiting[len(waiting) // 2 :: max(1, len(waiting) // (4 * rounds))][:rounds]:
        taken = bench.builds.pop(build)
        costs.append(bench.measured(lambda taken=taken: bench.finish(taken)))  # type: ignore[misc]
    return sorted(costs)[len(costs) // 2]


def enqueue(count: int, window: int) -> float:
    bench = Bench(window)
    return bench.measured(lambda: bench.fill(count))


def drain(count: int, window: int) -> float:
    bench = Bench(window)
    bench.fill(count)
    return bench.measured(bench.drain)


def head_failure(count: int, window: int) -> float:
    bench = Bench(window)
    bench.fill(count)
    return bench.measured(lambda: bench.finish(bench.take(), "FAILURE"))


def reload(count: int, window: int, jobs: int) -> dict[str, float]:
    """Another layout of `jobs` jobs while builds of three run; what is cancelled, and launched."""
    bench = Bench(window)
    bench.fill(count)
    before = set(bench.builds)
    layout = events.LayoutLoaded(make_layout(window, jobs))
    cost = bench.measured(lambda: bench.handle(layout))
    return {
        "seconds": round(cost, 4),
        "cancelled": len(before - set(bench.builds)),
        "launched": len(set(bench.builds) - before),
    }


def chain(count: int) -> dict[str, float]:
    """A chain in which each change needs the one before, approved last first; then it fails."""
    bench = Bench(0)
    changes: list[Change] = []
    for number in range(1, count + 1):
        changes.append(make_change(number, (changes[-1].key,) if changes else ()))
    last = changes[-1]
    event = TriggerEvent(
        "gerrit",
        "comment-added",
        project=last.project,
        number=last.key.number,
        patchset="1",
        approvals=VOTE,
    )
    received = events.TriggerReceived(event, last, tuple(changes))
    return {
        "enqueue": bench.measured(lambda: bench.handle(received)),
        "head fails": bench.measured(lambda: bench.finish(bench.take(), "FAILURE")),
    }


def growth(costs: dict[int, float]) -> float:
    sizes = sorted(costs)
    low, high = sizes[0], sizes[-1]
    ratio = max(costs[high], 1e-9) / max(costs[low], 1e-9)
    return round(math.log(ratio) / math.log(high / low), 2)


def table(run: Callable[[int, int], float], sizes: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for window in (20, 0):
        costs = {size: run(size, window) for size in sizes}
        found[f"window {window}"] = {
            **{str(size): round(cost, 6) for size, cost in costs.items()},
            "growth": growth(costs),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    arguments = parser.parse_args()
    sizes = [10, 100, 1000] if arguments.quick else [10, 100, 1000, 5000]
    result: dict[str, Any] = {
        "unit": "CPU seconds",
        "one build result": table(one_result, sizes),
        "enqueue one at a time": table(enqueue, sizes),
        "drain, 3 jobs each": table(drain, sizes[:3]),
        "head fails": table(head_failure, sizes[:3]),
    }
    result["reload, 1000 changes"] = {
        f"window {window}, {jobs} jobs": reload(1000, window, jobs)
        for window in (20, 0)
        for jobs in (3, 4, 2)
    }
    if not arguments.quick:
        result["chain of 10000"] = {k: round(v, 3) for k, v in chain(10000).items()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
