"""The sandbox's heart: jobs, nodes, a queue and executors, on one event loop.

Everything here runs on the loop's thread. A change that may let something start calls `poke()`,
which has the queue looked at once, soon.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from tests.sandbox.jenkins_faults import Faults
from tests.sandbox.jenkins_labels import BadLabelExpression, matches
from tests.sandbox.jenkins_model import Build, Item, Job, Node, Value, parents
from tests.sandbox.jenkins_store import Store

#: how long a queue item is still told of after it left
LEFT_SECONDS = 300.0


class Master:
    """State and its rules. `run` plays a build's steps and is given by the runner."""

    def __init__(self, store: Store, faults: Faults, *, modern: bool, quiet_seconds: float) -> None:
        self.store = store
        self.faults = faults
        self.modern = modern
        self.quiet_seconds = quiet_seconds
        self.jobs: dict[str, Job] = {}
        self.folders: set[str] = set()
        self.nodes: dict[str, Node] = {}
        self.waiting: dict[int, Item] = {}
        self.left: dict[int, Item] = {}
        self.quieting = False
        self.stopping = False
        #: as by kill -9: nothing is written any more
        self.killed = False
        self.run: Callable[[Job, Build], None]
        #: of a node that is new or changed, and of one that was deleted
        self.node_came: Callable[[Node], None] = lambda node: None
        self.node_went: Callable[[Node], None] = lambda node: None
        self._next_item = 1
        self._poked = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._fits: dict[tuple[str, str | None], bool] = {}

    # -- jobs and nodes ------------------------------------------------------------------------

    def put_job(self, job: Job) -> None:
        self.jobs[job.name] = job
        for folder in parents(job.name):
            self.put_folder(folder)
        self.store.save_job(job)
        self.poke()

    def put_folder(self, name: str) -> None:
        for folder in (*parents(name), name):
            if folder not in self.folders:
                self.folders.add(folder)
                self.store.save_folder(folder)

    def drop_job(self, name: str) -> None:
        """Delete a job: what waits is cancelled, what runs is stopped."""
        for item in [item for item in self.waiting.values() if item.job == name]:
            self.cancel(item)
        job = self.jobs.pop(name)
        for build in list(job.running.values()):
            self.stop_build(build)
        self.store.drop_job(name)

    def rename_job(self, old: str, new: str) -> None:
        job = self.jobs.pop(old)
        self.store.rename_job(old, new)
        job.name = new
        for build in job.builds.values():
            build.job = new
        for item in self.waiting.values():
            if item.job == old:
                item.job = new
        self.put_job(job)

    def put_node(self, node: Node) -> None:
        """A new or changed node."""
        own = node.name or ("built-in" if self.modern else "master")
        node.atoms = node.labels | {own}
        self.nodes[node.name] = node
        self._fits.clear()
        self.store.save_node(node)
        self.node_came(node)
        self.poke()

    def drop_node(self, name: str) -> None:
        """Delete a node: what runs on it is aborted; by old masters, failed."""
        node = self.nodes.pop(name)
        for build in list(node.running.values()):
            self.stop_build(build, disconnected=not self.modern)
        self.node_went(node)
        self.store.drop_node(name)
        self.poke()

    def disconnect(self, node: Node) -> None:
        """The node's connection breaks: what runs on it fails."""
        node.connected = False
        for build in list(node.running.values()):
            self.stop_build(build, disconnected=True)

    # -- the queue -----------------------------------------------------------------------------

    def enqueue(
        self, job: Job, values: tuple[Value, ...], delay: float | None, cause: str = ""
    ) -> Item:
        """The new item, or the waiting one it is equal to."""
        now = now_ms()
        quiet = self.quiet_seconds if job.quiet_seconds is None else job.quiet_seconds
        due = now + int((quiet if delay is None else delay) * 1000)
        for item in self.waiting.values():
            if item.job == job.name and item.values == values:
                item.due_ms = min(item.due_ms, due)
                self._look_at(item.due_ms)
                return item
        item = Item(self._next_item, job.name, values, now, due, cause)
        self._next_item += 1
        self.waiting[item.id] = item
        self._look_at(due)
        return item

    def cancel(self, item: Item) -> None:
        item.cancelled = True
        self._leave(item)

    def listed_queue(self) -> list[Item]:
        """As masters list them: first the quiet, then the blocked, then the buildable."""
        rank = {"waiting": 0, "blocked": 1, "buildable": 2}
        return sorted(
            self.waiting.values(),
            key=lambda i: (rank.get(i.state, 3), i.due_ms if i.state == "waiting" else -i.id),
        )

    def poke(self) -> None:
        """Have the queue looked at once, soon."""
        if not self._poked and not self.stopping:
            self._poked = True
            asyncio.get_running_loop().call_soon(self._maintain)

    def _look_at(self, due_ms: int) -> None:
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def due() -> None:
            self._timers.discard(timer)
            self.poke()

        timer = loop.call_later(max(0.0, (due_ms - now_ms()) / 1000), due)
        self._timers.add(timer)

    def _leave(self, item: Item) -> None:
        item.state = "left"
        item.why = ""
        item.left_at_ms = now = now_ms()
        self.waiting.pop(item.id, None)
        self.left[item.id] = item
        for old in itertools.takewhile(
            lambda one: one.left_at_ms < now - LEFT_SECONDS * 1000, list(self.left.values())
        ):
            del self.left[old.id]

    def _maintain(self) -> None:
        self._poked = False
        if self.stopping:
            return
        for item in list(self.waiting.values()):
            self._consider(item)

    def _consider(self, item: Item) -> None:
        job = self.jobs[item.job]
        if item.due_ms > now_ms():
            # The loop's clock and the wall's differ by a little.
            self._look_at(item.due_ms)
            return
        if job.disabled:
            self.cancel(item)
            return
        if job.running and not job.concurrent:
            last = max(job.running)
            item.state = "blocked"
            item.why = f"Build #{last} is already in progress (ETA:N/A)"
            return
        if item.state != "buildable":
            item.state = "buildable"
            item.buildable_ms = now_ms()
        if self.quieting or self.faults.queue_stuck:
            item.why = f"{'Jenkins' if self.modern else 'Hudson'} is about to shut down"
            return
        node = self._node_for(job)
        if node is None:
            item.why, item.stuck = self._why_waiting(job)
        else:
            self._begin(item, job, node)

    def _node_for(self, job: Job) -> Node | None:
        last = next(iter(job.newest_first()), None)
        if last is not None:
            node = self.nodes.get(last.node)
            if node is not None and self._may_take(node, job):
                return node
        return next((node for node in self.nodes.values() if self._may_take(node, job)), None)

    def _may_take(self, node: Node, job: Job) -> bool:
        return not node.is_offline and node.idle_executor is not None and self.fits(node, job)

    def fits(self, node: Node, job: Job) -> bool:
        """Whether the job may ever run there."""
        if not job.label:
            return node.mode == "NORMAL"
        key = (node.name, job.label)
        known = self._fits.get(key)
        if known is None:
            try:
                known = matches(job.label, node.atoms)
            except BadLabelExpression:
                known = False
            self._fits[key] = known
        return known

    def _why_waiting(self, job: Job) -> tuple[str, bool]:
        able = [node for node in self.nodes.values() if self.fits(node, job)]
        if not self.modern and set(self.nodes) == {""}:
            # An old master alone does not look at labels when it says why.
            return "Waiting for next available executor", not able
        if all(node.is_offline for node in able):
            nothing = self.modern and not able
            words = "There are no nodes with the label" if nothing else "All nodes of label"
            return f"{words} '{job.label or ''}'" + ("" if nothing else " are offline"), True
        on = f" on '{job.label or able[0].name}'" if self.modern else ""
        return f"Waiting for next available executor{on}", False

    # -- builds --------------------------------------------------------------------------------

    def _begin(self, item: Item, job: Job, node: Node) -> None:
        executor = node.idle_executor
        assert executor is not None
        number = job.next_number
        job.next_number += 1
        build = Build(
            job=job.name,
            number=number,
            queue_id=item.id,
            node=node.name,
            executor=executor,
            values=item.values,
            started_at_ms=now_ms(),
            estimated_ms=job.estimated_ms(),
            cause=item.cause,
        )
        job.builds[number] = job.running[number] = node.running[executor] = build
        item.number = number
        self._leave(item)
        self.store.save_build(job, build)
        self.run(job, build)

    def ended(self, job: Job, build: Build, result: str) -> None:
        """A build's steps are over; its executor is free."""
        build.duration_ms = now_ms() - build.started_at_ms
        build.building = False
        job.running.pop(build.number, None)
        node = self.nodes.get(build.node)
        if node is not None and node.running.get(build.executor) is build:
            del node.running[build.executor]
        lag = self.faults.result_lag_seconds
        if lag and not self.stopping:
            asyncio.get_running_loop().call_later(lag, self._settle, job, build, result)
        else:
            self._settle(job, build, result)
        self.poke()

    def _settle(self, job: Job, build: Build, result: str) -> None:
        build.result = result
        if self.jobs.get(job.name) is job:
            self.store.save_build(job, build)

    def stop_build(self, build: Build, *, disconnected: bool = False) -> bool:
        """Interrupt a running build; False if there is nothing to interrupt."""
        if not build.building or build.task is None or build.stopped:
            return False
        build.stopped = True
        build.disconnected = disconnected
        build.task.cancel()
        return True

    def running(self) -> list[Build]:
        return [build for job in self.jobs.values() for build in job.running.values()]

    # -- life ----------------------------------------------------------------------------------

    def load(self, executors: int) -> None:
        """What the store has. Builds that ran when the last master was killed are dead. A new
        master's own node has so many executors."""
        self.folders.update(self.store.folders())
        kept = {node.name: node for node in self.store.nodes()}
        for node in ({"": Node("", executors=executors)} | kept).values():
            self.put_node(node)
        for job in self.store.jobs():
            if job.name in self.faults.lost_jobs:
                continue
            for build in [build for build in job.builds.values() if build.building]:
                self._bury(job, build)
            self.jobs[job.name] = job
        items, self._next_item = self.store.take_queue()
        for item in items:
            if item.job in self.jobs:
                self.waiting[item.id] = item
                self._look_at(item.due_ms)

    def _bury(self, job: Job, build: Build) -> None:
        forgets = self.faults.crash_forgets
        if not self.modern if forgets is None else forgets:
            del job.builds[build.number]
            self.store.drop_build(job.name, build.number)
            return
        build.building = False
        build.result = self.faults.crash_result
        self.store.save_build(job, build)

    async def shut_down(self) -> None:
        """A clean stop: builds are aborted, the queue is kept."""
        await self._end_builds()
        self.store.save_queue(self.waiting.values(), self._next_item)

    async def die(self) -> None:
        """As kill -9 does: processes end, and nothing is written."""
        self.killed = True
        await self._end_builds()

    async def _end_builds(self) -> None:
        self.stopping = True
        for timer in self._timers:
            timer.cancel()
        running = self.running()
        tasks = [build.task for build in running if build.task is not None]
        for build in running:
            # A Hudson that goes down fails its builds, a Jenkins aborts them.
            self.stop_build(build, disconnected=not self.modern)
        await asyncio.gather(*tasks, return_exceptions=True)


def now_ms() -> int:
    return int(time.time() * 1000)
