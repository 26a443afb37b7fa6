"""The looks at masters, when they are due, and what their answers or silence mean."""

from __future__ import annotations

from typing import Final

from gearman_plugin_shim import offline, runs
from gearman_plugin_shim.builds import end_build
from gearman_plugin_shim.commands import (
    Command,
    PollComputers,
    PollJobs,
    PollQueue,
    Severity,
)
from gearman_plugin_shim.events import ComputersSeen, JobsSeen, Poll, PollFailed, QueueSeen
from gearman_plugin_shim.functions import JobTable, declares_uuid
from gearman_plugin_shim.model import FailureKind, Outcome
from gearman_plugin_shim.numbers import take_numbers
from gearman_plugin_shim.seeking import take_queue
from gearman_plugin_shim.state import WAITING, Health, Look, Master, Phase, State

#: failed looks in a row after which a master does not serve
_MOST_FAILURES: Final = 2
#: times the usual interval while nothing runs
_IDLE_FACTOR: Final = 2.0
_MAX_PAUSE_SECONDS: Final = 15.0
_MAX_DENIED_SECONDS: Final = 60.0
#: a master that forbids us to look goes on with its builds: they are kept for longer
_DENIED_GRACE_FACTOR: Final = 30.0
_QUEUE_PHASES: Final = frozenset({Phase.QUEUED, Phase.CANCELLING})


def take_computers(state: State, master: Master, event: ComputersSeen) -> None:
    look = _answered(master, Poll.COMPUTERS, event.asked_at)
    master.computers = {computer.name: computer for computer in event.computers}
    runs.take_running(state, master, event)
    _come_up(state, master)
    look.due = state.now + _computers_interval(state, master)
    if master.wants_details and not event.detailed:
        look.due = state.now


def take_jobs(state: State, master: Master, event: JobsSeen) -> None:
    look = _answered(master, Poll.JOBS, event.asked_at)
    look.due = state.now + master.settings.jobs_poll_seconds
    if event.quieting_down != master.quieting_down:
        master.quieting_down = event.quieting_down
        text = "Master is quieting down" if event.quieting_down else "Master takes builds again"
        state.notice(Severity.INFO, text, master=master.name)
    accept = master.settings.accept_undeclared_uuid
    table = JobTable(event.jobs, accept_undeclared_uuid=accept)
    if master.table is None or master.table.jobs != table.jobs:
        _take_table(state, master, table)
    take_numbers(state, master, event)
    _come_up(state, master)


def _take_table(state: State, master: Master, table: JobTable) -> None:
    master.table = table
    for name, jobs in table.ambiguous.items():
        if f"ambiguous {name}" not in master.warned:
            master.warned.add(f"ambiguous {name}")
            where = {"master": master.name, "name": name, "chosen": jobs[0], "all": ",".join(jobs)}
            state.notice(Severity.WARNING, "Jobs share a name, full names also serve", **where)
    for job in table.jobs.values():
        key = f"uuid {job.full_name}"
        if not declares_uuid(job) and key not in master.warned:
            master.warned.add(key)
            where = {"master": master.name, "job": job.full_name}
            text = "Job does not declare ZUUL_UUID"
            if not master.settings.accept_undeclared_uuid:
                text += ", it is not registered"
            state.notice(Severity.WARNING, text, **where)


def take_queue_look(state: State, master: Master, event: QueueSeen) -> None:
    look = _answered(master, Poll.QUEUE, event.asked_at)
    look.due = state.now + master.settings.poll_seconds
    take_queue(state, master, event)


def take_failure(state: State, master: Master, event: PollFailed) -> None:
    """A look that did not work: the second in a row, or a refused login, takes the master out."""
    look = master.looks[event.poll]
    look.out = False
    look.failures += 1
    denied = event.failure.kind is FailureKind.DENIED
    longest = _MAX_DENIED_SECONDS if denied else _MAX_PAUSE_SECONDS
    first = 5.0 if denied else master.settings.poll_seconds
    look.due = state.now + min(longest, first * 2.0 ** min(look.failures - 1, 10))
    if event.poll is Poll.QUEUE:
        return
    if not denied:
        master.shaken_at = state.now
        if look.failures < _MOST_FAILURES:
            return
    if master.health is Health.UP or look.failures == 1:
        level = Severity.ERROR if denied else Severity.WARNING
        where = {"master": master.name, "reason": event.failure.reason}
        text = "Master refuses our login" if denied else "Master does not answer"
        state.notice(level, f"{text}, its functions are taken back", **where)
    if master.health is Health.UP:
        master.health, master.down_since, master.gave_up = Health.DOWN, state.now, False
    master.is_denied = denied


def _answered(master: Master, poll: Poll, asked_at: float) -> Look:
    look = master.looks[poll]
    look.out, look.failures, look.asked_at = False, 0, asked_at
    return look


def _come_up(state: State, master: Master) -> None:
    """A master serves once computers and jobs have been seen, and neither look fails."""
    if master.health is Health.UP or master.table is None or not master.computers:
        return
    if any(master.looks[poll].failures for poll in (Poll.COMPUTERS, Poll.JOBS)):
        return
    oldest = min(master.looks[poll].asked_at for poll in (Poll.COMPUTERS, Poll.JOBS))
    if master.health is Health.DOWN and oldest < master.down_since:
        return
    away = state.now - master.down_since
    state.notice(Severity.INFO, "Master serves", master=master.name, away=round(away, 1))
    master.health, master.is_denied = Health.UP, False
    # What was given up may be in its queue still.
    master.looks[Poll.QUEUE].due = state.now
    master.queue_unseen = True


def tick_master(state: State, master: Master) -> None:
    """Send the looks that are due; give builds up whose master stays away."""
    hurry = _computers_interval(state, master)
    for poll, look in master.looks.items():
        if poll is Poll.COMPUTERS and not look.failures:
            look.due = min(look.due, state.now + hurry)
        if look.out or (poll is Poll.QUEUE and not _wants_queue(state, master)):
            continue
        if state.now >= look.due:
            look.out = True
            state.emit(_command(master, poll))
            master.queue_unseen = master.queue_unseen and poll is not Poll.QUEUE
        else:
            state.wake(look.due)
    if master.health is not Health.UP and not master.gave_up:
        factor = _DENIED_GRACE_FACTOR if master.is_denied else 1.0
        ends_at = master.down_since + factor * master.settings.grace_seconds
        if state.now >= ends_at:
            give_up(state, master)
        else:
            state.wake(ends_at)


def give_up(state: State, master: Master) -> None:
    """The master stays away: its builds are lost, and stopped should they be seen again."""
    master.gave_up = True
    for build in state.builds_of(master):
        offline.owe(state, master, build)
        end_build(state, build, Outcome.LOST, text="its master does not answer")
    for run in master.runs.values():
        run.identified = False


def _command(master: Master, poll: Poll) -> Command:
    if poll is Poll.COMPUTERS:
        return PollComputers(master.name, master.wants_details)
    return PollJobs(master.name) if poll is Poll.JOBS else PollQueue(master.name)


def _wants_queue(state: State, master: Master) -> bool:
    waits = any(build.phase in _QUEUE_PHASES for build in state.builds_of(master))
    return master.health is Health.UP and (waits or master.queue_unseen)


def _computers_interval(state: State, master: Master) -> float:
    seconds = master.settings.poll_seconds
    if any(build.phase in WAITING for build in state.builds_of(master)):
        return seconds / 2
    return seconds if master.runs else seconds * _IDLE_FACTOR
