"""The bridge's heart: a function of (state, events, now) to commands.

It never waits, logs, reads a clock or makes an id of its own. Gearman's jobs, the masters' answers
and the passing of time come in; requests, packets, rows and build events go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

from gearman_plugin_shim import builds, errands, events, masters, offline, runs, seeking
from gearman_plugin_shim.commands import (
    AllowJobs,
    Command,
    ForgetBuilds,
    KeepBuild,
    OpenLink,
    Severity,
)
from gearman_plugin_shim.groups import settle_groups
from gearman_plugin_shim.model import BridgeSettings, BuildRow, Outcome
from gearman_plugin_shim.state import Build, Health, Master, Phase, State

#: management jobs that may be taken ahead of their answers
_ERRANDS = 1_000
_FORGET_SECONDS = 3600.0


class Bridge:
    """Owns all masters. Not thread-safe: one thread calls it.

    `rows` is the journal as it was found: builds that had not ended are adopted.
    """

    def __init__(self, settings: BridgeSettings, rows: Iterable[BuildRow], now: float) -> None:
        self._state = State(settings, now)
        self._allowances: dict[str, int] = {}
        self._add_masters()
        ended = []
        for row in rows:
            if row.outcome is not None:
                ended.append(row)
            elif row.master in self._state.masters:
                self._adopt(row)
            else:
                self._lose(row)
        ended.sort(key=lambda row: row.finished_at or 0.0)
        for row in ended[-settings.remembered :]:
            self._state.ended.setdefault(row.uuid, row)
            if row.master in self._state.masters:
                offline.adopt_owed(self._state.masters[row.master], row)

    def handle(self, batch: Sequence[events.Event], now: float) -> tuple[Command, ...]:
        """Apply the events in order, do what time has come for, and say what is to be done."""
        state = self._state
        state.now = now
        for event in batch:
            _HANDLERS[type(event)](self, event)
        if batch or now >= state.due:
            state.due = inf
            self._tick()
            for master in state.masters.values():
                settle_groups(state, master)
                if now < master.denied_until:
                    state.wake(master.denied_until)
        return state.take_commands()

    def next_due(self, now: float) -> float:
        """When `handle` is to be called again though nothing has happened."""
        return max(now, self._state.due)

    def reconfigure(self, settings: BridgeSettings, now: float) -> tuple[Command, ...]:
        """Go on with other settings. Masters may be added, but not taken away."""
        state = self._state
        state.now, state.settings = now, settings
        self._add_masters()
        for name in state.masters.keys() - {master.name for master in settings.masters}:
            text = "Master is no longer configured, it is served until a restart"
            state.notice(Severity.WARNING, text, master=name)
        state.wake(now)
        return self.handle((), now)

    @property
    def running(self) -> int:
        """Builds that Gearman asked for and that have not ended."""
        return len(self._state.builds)

    @property
    def health(self) -> Mapping[str, Health]:
        """Masters by name."""
        return {name: master.health for name, master in self._state.masters.items()}

    # The beginning.

    def _add_masters(self) -> None:
        state = self._state
        for settings in state.settings.masters:
            if settings.name in state.masters:
                state.masters[settings.name].settings = settings
                continue
            master = state.masters[settings.name] = Master(settings, state.now)
            link = master.management_link
            self._allowances[link] = _ERRANDS
            client_id = f"{master.name}_manager"
            state.emit(OpenLink(link, client_id, errands.functions_of(master), _ERRANDS))

    def _adopt(self, row: BuildRow) -> None:
        build = Build(row, Phase.SEEKING)
        self._state.builds[row.uuid] = build
        text = {"build": row.uuid, "job": row.job, "master": row.master}
        self._state.notice(Severity.INFO, "Build adopted", **text)
        seeking.adopt(self._state, self._state.masters[row.master], build)

    def _lose(self, row: BuildRow) -> None:
        build = Build(row, Phase.SEEKING)
        self._state.builds[row.uuid] = build
        builds.end_build(
            self._state, build, Outcome.LOST, text=f"master {row.master} is not configured"
        )

    # Events.

    def _on_link_opened(self, event: events.LinkOpened) -> None:
        self._state.connections.add((event.link, event.generation))

    def _on_link_lost(self, event: events.LinkLost) -> None:
        state = self._state
        state.connections.discard((event.link, event.generation))
        for build in list(state.builds.values()):
            kept = [ref for ref in build.refs if ref[:2] != (event.link, event.generation)]
            lost, build.refs = len(build.refs) - len(kept), kept
            if not lost:
                continue
            master = state.masters[build.row.master]
            where = {"build": build.uuid, "job": build.row.job}
            if not kept and master.settings.abort_on_disconnect:
                state.notice(Severity.WARNING, "Gearman lost, build stopped", **where)
                errands.stop_build(state, master, build)
            else:
                state.notice(Severity.INFO, "Gearman lost, build goes on", **where)

    def _on_job_taken(self, event: events.JobTaken) -> None:
        name, _, number = event.ref.link.rpartition("/")
        master = self._state.masters[name]
        if number == "management":
            self._allow_errands(event)
            errands.take_errand(self._state, master, event)
            return
        group = master.groups.get(event.ref.link)
        if group is not None:
            group.taken = max(group.taken, event.taken)
        builds.take_build(self._state, master, event)

    def _allow_errands(self, event: events.JobTaken) -> None:
        link = event.ref.link
        if self._allowances[link] - event.taken < _ERRANDS / 2:
            self._allowances[link] = event.taken + _ERRANDS
            self._state.emit(AllowJobs(link, self._allowances[link]))

    def _on_computers_seen(self, event: events.ComputersSeen) -> None:
        masters.take_computers(self._state, self._state.masters[event.master], event)

    def _on_jobs_seen(self, event: events.JobsSeen) -> None:
        masters.take_jobs(self._state, self._state.masters[event.master], event)

    def _on_queue_seen(self, event: events.QueueSeen) -> None:
        masters.take_queue_look(self._state, self._state.masters[event.master], event)

    def _on_poll_failed(self, event: events.PollFailed) -> None:
        masters.take_failure(self._state, self._state.masters[event.master], event)

    def _on_build_kept(self, event: events.BuildKept) -> None:
        builds.take_kept(self._state, event)

    def _on_build_posted(self, event: events.BuildPosted) -> None:
        builds.take_posted(self._state, self._state.masters[event.master], event)

    def _on_build_sought(self, event: events.BuildSought) -> None:
        seeking.take_sought(self._state, self._state.masters[event.master], event)

    def _on_build_fetched(self, event: events.BuildFetched) -> None:
        master = self._state.masters[event.master]
        runs.take_fetched(self._state, master, event)
        errands.take_looked_up(self._state, master, event)

    def _on_item_cancelled(self, event: events.ItemCancelled) -> None:
        seeking.take_cancelled(self._state, event)

    def _on_build_stopped(self, event: events.BuildStopped) -> None:
        errands.take_stopped(self._state, self._state.masters[event.master], event)

    def _on_build_described(self, event: events.BuildDescribed) -> None:
        errands.take_described(self._state, event)

    def _on_offline_set(self, event: events.OfflineSet) -> None:
        runs.take_offline(self._state, self._state.masters[event.master], event)

    # Time.

    def _tick(self) -> None:
        state = self._state
        for master in state.masters.values():
            masters.tick_master(state, master)
            seeking.tick_builds(state, master)
            runs.tick_runs(state, master)
        for uuid in [uuid for uuid, due in state.unkept.items() if due <= state.now]:
            del state.unkept[uuid]
            if (row := state.ended.get(uuid)) is not None:
                state.serial += 1
                state.emit(KeepBuild(row, state.serial))
        if state.unkept:
            state.wake(min(state.unkept.values()))
        if state.now >= state.forget_due:
            state.forget_due = state.now + _FORGET_SECONDS
            if len(state.ended) >= state.settings.remembered:
                oldest = next(iter(state.ended.values()))
                state.emit(ForgetBuilds(oldest.finished_at or 0.0))
        state.wake(state.forget_due)


_HANDLERS: Mapping[type, Callable[[Bridge, Any], None]] = {
    events.LinkOpened: Bridge._on_link_opened,
    events.LinkLost: Bridge._on_link_lost,
    events.JobTaken: Bridge._on_job_taken,
    events.ComputersSeen: Bridge._on_computers_seen,
    events.JobsSeen: Bridge._on_jobs_seen,
    events.QueueSeen: Bridge._on_queue_seen,
    events.PollFailed: Bridge._on_poll_failed,
    events.BuildKept: Bridge._on_build_kept,
    events.BuildPosted: Bridge._on_build_posted,
    events.BuildSought: Bridge._on_build_sought,
    events.BuildFetched: Bridge._on_build_fetched,
    events.ItemCancelled: Bridge._on_item_cancelled,
    events.BuildStopped: Bridge._on_build_stopped,
    events.BuildDescribed: Bridge._on_build_described,
    events.OfflineSet: Bridge._on_offline_set,
}
