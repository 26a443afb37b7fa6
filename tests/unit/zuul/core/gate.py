"""A gate without threads: drives Scheduler.handle, answers what the test does not hold back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.zuul.core.layouts import DEFAULT_TREE, check_config, gate_config, make_layout
from zuul.core import commands, events
from zuul.core.messages import ReportOptions
from zuul.core.scheduler import Scheduler
from zuul.core.status import render
from zuul.model.build import BuildData, MergeConflict, MergeResult
from zuul.model.change import Approval, Change, ChangeKey, SubmitRecord
from zuul.model.layout import PipelineConfig
from zuul.model.trigger import TriggerEvent

SUBMITTABLE = (SubmitRecord("OK"),)
NOT_SUBMITTABLE = (SubmitRecord("RULE_ERROR"),)


class Ids:
    """1, 2, 3 in hex."""

    def __init__(self) -> None:
        self.last = 0

    def new_id(self) -> str:
        self.last += 1
        return f"{self.last:032x}"


class Times:
    def __init__(self) -> None:
        self.estimates: dict[str, float] = {}
        self.recorded: list[tuple[str, float, str]] = []

    def estimate_seconds(self, job: str) -> float | None:
        return self.estimates.get(job)

    def record(self, job: str, seconds: float, result: str) -> None:
        self.recorded.append((job, seconds, result))


class Watcher:
    """An observer that remembers everything: (hook, arguments)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def hook(*args: Any, **kwargs: Any) -> None:
            self.seen.append((name, args, kwargs))

        return hook

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [args for hook, args, _ in self.seen if hook == name]


def make_change(number: int, project: str = "p", patchset: int = 1, **more: Any) -> Change:
    settings: dict[str, Any] = {
        "key": ChangeKey("gerrit", str(number), str(patchset)),
        "project": project,
        "branch": "master",
        "refspec": f"refs/changes/{number % 100:02}/{number}/{patchset}",
        "submit_records": SUBMITTABLE,
        "url": f"https://review/{number}",
        "files": ("README",),
    }
    return Change(**(settings | more))


class Gate:
    """A scheduler and a world that answers merges and reports, and builds when told to."""

    def __init__(
        self,
        *pipelines: PipelineConfig,
        options: ReportOptions | None = None,
        merging: bool = True,
        reporting: bool = True,
    ) -> None:
        if not pipelines:
            pipelines = (gate_config({"p": DEFAULT_TREE}), check_config({"p": DEFAULT_TREE}))
        self.ids, self.times, self.watcher = Ids(), Times(), Watcher()
        self.scheduler = Scheduler(self.ids, self.times, self.watcher, options or ReportOptions())
        self.now = 1000.0
        self.changes: dict[ChangeKey, Change] = {}
        self.merging, self.reporting = merging, reporting
        self.builds: dict[str, commands.LaunchBuild] = {}
        self.launched: list[commands.LaunchBuild] = []
        self.cancelled: list[str] = []
        self.merges: list[commands.MergeChanges] = []
        self.updates: list[commands.UpdateRepo] = []
        self.reports: list[commands.SendReport] = []
        self.open_reports: list[commands.SendReport] = []
        self.open_merges: list[commands.MergeChanges] = []
        self.descriptions: list[commands.DescribeBuild] = []
        self.answers: list[commands.AnswerRequest] = []
        self.stopped = False
        #: numbers of changes that conflict, and that the server refuses to merge
        self.conflicts: set[str] = set()
        self.refused: set[str] = set()
        self.layout = make_layout(*pipelines)
        self.send(events.LayoutLoaded(self.layout))

    # -- driving -----------------------------------------------------------------------------

    def send(self, *batch: events.Event) -> list[commands.Command]:
        """Handle events and answer what they lead to; returns all commands."""
        everything: list[commands.Command] = []
        pending = list(batch)
        while pending:
            self.now += 1
            issued = self.scheduler.handle(pending, self.now)
            everything += issued
            pending = [answer for command in issued for answer in self._answer(command)]
        return everything

    def _answer(self, command: commands.Command) -> list[events.Event]:
        if isinstance(command, commands.LaunchBuild):
            assert command.build not in self.builds
            self.builds[command.build] = command
            self.launched.append(command)
        elif isinstance(command, commands.CancelBuild):
            del self.builds[command.build]
            self.cancelled.append(command.build)
        elif isinstance(command, commands.DescribeBuild):
            self.descriptions.append(command)
        elif isinstance(command, commands.MergeChanges):
            self.merges.append(command)
            self.open_merges.append(command)
            return self.answer_merges() if self.merging else []
        elif isinstance(command, commands.UpdateRepo):
            self.updates.append(command)
            return [events.RepoUpdated(command.request, "http://merger")]
        elif isinstance(command, commands.SendReport):
            self.reports.append(command)
            self.open_reports.append(command)
            if self.reporting:
                self.open_reports.remove(command)
                return [self.report_answer(command)]
        elif isinstance(command, commands.AnswerRequest):
            self.answers.append(command)
        elif not isinstance(command, commands.KeepBrakes):
            self.stopped = True
        return []

    def answer_merges(self) -> list[events.Event]:
        answers: list[events.Event] = []
        for command in self.open_merges:
            series = [f"{i.number},{i.patchset}" for i in command.item.front_first()]
            if command.item.number in self.conflicts:
                conflict = MergeConflict("p", command.item.number, command.item.patchset)
                result = MergeResult(False, conflict=conflict)
            else:
                tip = "+".join(series)
                base = "+".join(series[:-1])
                result = MergeResult(
                    True, f"c:{tip}", "http://merger", "m", f"t:{tip}", f"t:{base}"
                )
            answers.append(events.MergeCompleted(command.request, result))
        self.open_merges.clear()
        return answers

    def report_answer(self, command: commands.SendReport, **more: Any) -> events.ReportCompleted:
        merged = None
        if command.submit is not None:
            assert isinstance(command.change, Change)
            merged = command.change.key.number not in self.refused
        event = events.ReportCompleted(command.report, reported=True, merged=merged)
        return replace(event, **more)

    # -- people ------------------------------------------------------------------------------

    def known(self, change: Change) -> Change:
        """Add or replace what the server knows of a change, links of both ways included."""
        self.changes[change.key] = change
        for needed in change.needs:
            target = self.changes.get(needed)
            if target is not None and change.key not in target.needed_by:
                self.changes[needed] = replace(target, needed_by=(*target.needed_by, change.key))
        return change

    def hear(self, kind: str, change: Change, **more: Any) -> list[commands.Command]:
        if change.key not in self.changes:
            self.known(change)
        event = TriggerEvent(
            "gerrit",
            kind,
            project=change.project,
            branch=change.branch,
            number=change.key.number,
            patchset=change.key.patchset,
            **more,
        )
        subject = self.changes[change.key]
        relatives = tuple(self.changes.values())
        return self.send(events.TriggerReceived(event, subject, relatives))

    def approve(self, *changes: Change) -> None:
        for change in changes:
            self.known(change)
        for change in changes:
            self.hear("comment-added", change, approvals=(Approval("approved", 1),))

    def upload(self, *changes: Change) -> None:
        for change in changes:
            self.known(change)
            self.hear("patchset-created", change)

    # -- workers -----------------------------------------------------------------------------

    def running(self) -> list[str]:
        """`job number` of each build that runs, in the order of launching."""
        return [self.label(build) for build in self.builds.values()]

    def label(self, build: commands.LaunchBuild) -> str:
        return f"{build.job} {build.parameters.get('ZUUL_CHANGE')}"

    def build(self, label: str) -> commands.LaunchBuild:
        found = [b for b in self.builds.values() if self.label(b) == label]
        assert len(found) == 1, f"{label} among {self.running()}"
        return found[0]

    def start(self, label: str, **data: Any) -> None:
        build = self.build(label)
        self.send(events.BuildStarted(build.build, BuildData(**data), self.now))

    def finish(self, label: str, result: str | None = "SUCCESS", **data: Any) -> None:
        build = self.build(label)
        del self.builds[build.build]
        found = BuildData(**data) if data else None
        self.send(events.BuildCompleted(build.build, result, found, self.now))

    def finish_all(self) -> None:
        """Let everything succeed until nothing runs."""
        while self.builds:
            build = self.builds.pop(next(iter(self.builds)))
            self.send(events.BuildCompleted(build.build, "SUCCESS", None, self.now))

    # -- looking -----------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        snapshot = self.scheduler.snapshot(self.now)
        return render(snapshot, self.now, version="test")

    def items(self, pipeline: str) -> list[dict[str, Any]]:
        """The items of a pipeline as status.json has them."""
        for found in self.status()["pipelines"]:
            if found["name"] == pipeline:
                return [
                    item
                    for queue in found["change_queues"]
                    for head in queue["heads"]
                    for item in head
                ]
        raise LookupError(pipeline)

    def numbers(self, pipeline: str = "gate") -> list[str]:
        return [item["id"] for item in self.items(pipeline)]

    def window(self, pipeline: str = "gate") -> int:
        found = next(p for p in self.status()["pipelines"] if p["name"] == pipeline)
        window = found["change_queues"][0]["window"]
        assert isinstance(window, int)
        return window

    def told(self, change: Change) -> list[str]:
        """What was reported of a change: kinds, in order."""
        return [r.kind.value for r in self.reports if r.change.key == change.key]

    def merged(self) -> list[str]:
        """Numbers of the changes whose submit was asked for and not refused, in order."""
        return [
            str(report.change.key).split(",", maxsplit=1)[0]
            for report in self.reports
            if report.submit is not None
            and report not in self.open_reports
            and str(report.change.key).split(",", maxsplit=1)[0] not in self.refused
        ]
