"""What must hold after every event, whatever happens; checked in scenarios and simulations."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from tests.support.engine import Engine
from tests.support.fake_gearman import SUCCESS, FakeBuild
from tests.support.overheard import Overheard
from tests.support.promises import Promises
from zuul.core.commands import (
    Command,
    LaunchBuild,
    MergeChanges,
    SendReport,
    TestedState,
    UpdateRepo,
)
from zuul.core.events import (
    BuildCompleted,
    Event,
    LayoutLoaded,
    MergeCompleted,
    ReportCompleted,
    RepoUpdated,
    TriggerReceived,
)
from zuul.core.processing import NEED_FAILING
from zuul.model.change import Change, Changeish, ChangeKey
from zuul.model.job import NOOP, JobNode
from zuul.model.matchers import job_applies
from zuul.model.queue import ChangeQueue, QueueItem


def watch(engine: Engine) -> Invariants:
    """Check the engine from now on."""
    Promises(engine)
    Overheard(engine)
    return Invariants(engine)


class Invariants:
    """Raises AssertionError in the middle of whatever broke one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids: set[str] = set()
        #: of each open submit: the voting jobs that must have passed
        self._required: dict[str, frozenset[str]] = {}
        #: (pipeline, change, job) -> trees on which it passed, with what was merged ahead
        self._passed: defaultdict[tuple[str, str, str], list[tuple[str, FakeBuild]]] = defaultdict(
            list
        )
        #: number of a change that we merged -> the tree it landed as
        self._landed: dict[int, str] = {}
        self._known_builds = 0
        self._submits: dict[str, tuple[ChangeKey, TestedState]] = {}
        #: submits that found the branch moved
        self._moved: set[tuple[ChangeKey, TestedState]] = set()
        engine.watchers.append(self._after_commands)
        engine.checks.append(self.check)
        engine.landed.append(self._after_landing)

    # Commands

    def _after_commands(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            if isinstance(command, LaunchBuild):
                self._new_id(command.build)
                self._check_launch(command)
            elif isinstance(command, MergeChanges):
                self._new_id(command.request)
                self._new_id(command.item.zuul_ref)
            elif isinstance(command, UpdateRepo):
                self._new_id(command.request)
            elif isinstance(command, SendReport):
                self._new_id(command.report)
                if command.submit is not None:
                    self._check_submit(command, command.submit)

    def _check_launch(self, launch: LaunchBuild) -> None:
        """A build tests its item on all that is ahead of it and has not merged."""
        outstanding = self._engine.scheduler._state.builds.get(launch.build)
        if outstanding is None or not isinstance(outstanding.item.change, Change):
            return
        item = outstanding.item
        changes = [other.change for other in (item, *item.chain_ahead())]
        wanted = {str(c.key) for c in changes if isinstance(c, Change) and not c.is_merged}
        told = set((launch.parameters["ZUUL_CHANGE_IDS"] or "").split())
        assert wanted <= told, f"{item} is tested on {told}, not on {wanted}"

    def _new_id(self, value: str) -> None:
        assert value not in self._ids, f"id {value} was used before"
        self._ids.add(value)

    def _check_submit(self, report: SendReport, tested: TestedState) -> None:
        """Nothing is submitted before what it needs, nor again as it was tested before."""
        change = report.change
        assert isinstance(change, Change)
        table = self._engine.scheduler._state.changes
        for key in change.needs:
            needed = table.find(key)
            assert needed is not None and needed.is_merged, f"{change.key} goes before {key}"
        assert (change.key, tested) not in self._moved, f"{change.key} was not tested again"
        self._submits[report.report] = (change.key, tested)
        jobs = self._required_jobs(report.pipeline, change)
        self._required[report.report] = frozenset(jobs)

    def _required_jobs(self, pipeline: str, change: Changeish) -> set[str]:
        config = next(p for p in self._engine.layout.pipelines if p.name == pipeline)
        tree = config.trees.get(change.project)
        found: set[str] = set()
        waiting: list[JobNode] = list(tree.nodes) if tree else []
        while waiting:
            node = waiting.pop()
            if job_applies(node.job, change):
                if node.job.voting and node.job.name != NOOP:
                    found.add(node.job.name)
                waiting += node.children
        return found

    # State

    def check(self) -> None:
        """All of it; called after every event."""
        state = self._engine.scheduler._state
        for pipeline in state.pipelines.values():
            count = 0
            for queue in pipeline.queues.values():
                count += self._check_queue(queue)
                _check_bases(queue)
            assert count == pipeline.count, "the pipeline counts wrongly"
        if len(self._engine.latest) == 1:
            self._check_effect(self._engine.latest[0])
        self._check_outstanding()
        self._check_mutexes()
        json.dumps(self._engine.status())

    def _check_queue(self, queue: ChangeQueue) -> int:
        items = list(queue)
        members = set(items)
        window = queue.window
        assert window == 0 or window >= min(queue.window_config.floor, queue.window_config.start)
        live = Counter(item.change.key for item in items if item.live)
        assert all(n == 1 for n in live.values()), f"twice in a queue: {live}"
        for position, item in enumerate(items):
            assert item.queue is queue
            self._check_links(item, members)
            assert item.active == (window == 0 or position < window), f"window: {item}"
        return len(items)

    def _check_links(self, item: QueueItem, members: set[QueueItem]) -> None:
        ahead = item.item_ahead
        if ahead is not None:
            assert item in ahead.items_behind, f"{item} is not behind what is ahead of it"
            assert ahead in members, f"{item} stands on an item that has left"
            assert ahead.order < item.order, f"{item} stands on an item behind it"
        for behind in item.items_behind:
            assert behind.item_ahead is item, f"{behind} does not stand on {item}"

    def _check_effect(self, event: Event) -> None:
        """What an event must have brought about by itself."""
        if isinstance(event, ReportCompleted) and event.base_moved:
            submit = self._submits.get(event.report)
            if submit is not None:
                self._moved.add(submit)
        if not isinstance(event, TriggerReceived) or not isinstance(event.subject, Change):
            return
        key, layout = event.subject.key, self._engine.layout
        if event.subject.project not in layout.projects:
            return
        for pipeline in self._engine.scheduler._state.pipelines.values():
            for item in pipeline.of_review(key.connection, key.number):
                if not item.live or item.report is not None:
                    continue
                if event.event.type == "change-abandoned":
                    assert item.change.key != key, f"{item} was abandoned"
                elif event.event.type == "patchset-created":
                    older = int(item.change.key.patchset) < int(key.patchset)
                    kept = not pipeline.config.dequeue_on_new_patchset
                    assert kept or not older, f"{item} is superseded by {key}"

    def _check_outstanding(self) -> None:
        """What the core waits for is under way, and what is under way somebody waits for."""
        engine, state = self._engine, self._engine.scheduler._state
        told = engine.untold()
        ends = {e.build for e in told if isinstance(e, BuildCompleted)}
        under_way = {b.uuid: b for b in engine.gearman.queued + engine.gearman.running}
        for uuid, outstanding in state.builds.items():
            assert uuid in under_way or uuid in ends, f"waits for a build that ended: {uuid}"
            item = outstanding.item
            wanted = item.queue is not None and item.build_set is outstanding.build_set
            assert wanted or engine.gearman.builds[uuid].cancelled, f"orphan of {item}"
        for uuid, build in under_way.items():
            assert build.cancelled or uuid in state.builds, f"orphan: {build}"
        merges = {m.request for m in engine.merges}
        merges |= {e.request for e in told if isinstance(e, MergeCompleted | RepoUpdated)}
        assert set(state.merges) <= merges, "waits for a merge that was answered"
        reports = {r.report for r in engine.reports}
        reports |= {e.report for e in told if isinstance(e, ReportCompleted)}
        assert set(state.reports) <= reports, "waits for a report that was answered"

    def _check_mutexes(self) -> None:
        if any(isinstance(event, LayoutLoaded) for event in self._engine.untold()):
            return
        jobs = self._engine.layout.jobs
        holders = Counter(
            jobs[build.job].mutex
            for build in self._engine.gearman.queued + self._engine.gearman.running
            if not build.cancelled and build.job in jobs and jobs[build.job].mutex
        )
        assert all(n == 1 for n in holders.values()), f"mutex held twice: {holders}"

    # Merges

    def _after_landing(self, report: SendReport) -> None:
        """The tree that landed is one on which all voting jobs of the change have passed."""
        assert isinstance(report.change, Change)
        engine = self._engine
        key = report.change.key
        change = engine.gerrit.changes[int(key.number)]
        assert change.landed is not None
        self._note_passed()
        jobs = self._required.get(report.report)
        assert jobs is not None, f"{change} was submitted without being asked for"
        for job in jobs:
            passed = self._passed[report.pipeline, str(key), job]
            right = [build for tree, build in passed if tree == change.landed[1]]
            assert right, f"{change} landed as {change.landed[1]}; {job} passed on {passed}"
            assert any(self._is_ahead_as_tested(build) for build in right), (
                f"{change} landed on something else than it was tested with"
            )
        self._landed[int(key.number)] = change.landed[1]

    def _is_ahead_as_tested(self, build: FakeBuild) -> bool:
        """All that was merged ahead of it for the build has landed, and looks as it did then."""
        ahead = [
            self._engine.gerrit.changes[int(k.partition(",")[0])] for k in build.changes.split()
        ]
        if any(change.status != "MERGED" for change in ahead[:-1]):
            return False
        state = self._engine.merger.prepared(build.parameters) or {}
        newest = {(change.project, change.branch): change for change in ahead}
        return all(
            self._is_since(where, change.number, state[where].tree)
            for where, change in newest.items()
            # what had merged before the merger got to it is in the branch, and in no state
            if change is not ahead[-1] and where in state
        )

    def _is_since(self, where: tuple[str, str], number: int, tree: str) -> bool:
        """The branch looked like `tree` when the change landed, or later."""
        landed, trees = self._landed.get(number), self._engine.gerrit.trees[where]
        return landed is None or tree in trees[trees.index(landed) :]

    def _note_passed(self) -> None:
        history = self._engine.gearman.history
        for build in history[self._known_builds :]:
            state = self._engine.merger.prepared(build.parameters)
            if build.result == SUCCESS and state is not None:
                where = (build.parameters["ZUUL_PROJECT"], build.parameters["ZUUL_BRANCH"])
                commit = build.parameters["ZUUL_COMMIT"]
                assert state[where].sha == commit, f"{build}: {commit} is not under its ref"
                self._passed[build.pipeline, build.change, build.job].append(
                    (state[where].tree, build)
                )
        self._known_builds = len(history)


def _check_bases(queue: ChangeQueue) -> None:
    """Each item stands on the nearest one ahead of it that does not fail."""
    nearest: QueueItem | None = None
    for item in queue:
        if item.report is None and NEED_FAILING not in item.failing_reasons:
            ahead = item.live_ahead
            is_merged = ahead is not None and isinstance(ahead.change, Change)
            is_merged = is_merged and ahead.change.is_merged
            assert ahead is nearest or is_merged, f"{item} stands on {ahead}, not on {nearest}"
        if item.live and not item.failing_reasons:
            nearest = item
