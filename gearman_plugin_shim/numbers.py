"""Build numbers that the looks at jobs bring: builds too short to be seen on an executor."""

from __future__ import annotations

from math import inf
from typing import Final

from gearman_plugin_shim.events import JobsSeen
from gearman_plugin_shim.model import BuildId, BuildInfo
from gearman_plugin_shim.state import Master, Run, RunPhase, State

#: builds of one job between two looks that are still read
_MOST_MISSED: Final = 20


def take_numbers(state: State, master: Master, event: JobsSeen) -> None:
    """Builds that came and went between two looks at the computers."""
    first = master.floors is None
    floors = master.floors = master.floors or {}
    for job in event.jobs:
        if job.last_build is None:
            continue
        floor = floors.get(job.full_name, job.last_build if first else 0)
        floors[job.full_name] = job.last_build
        for number in range(max(floor, job.last_build - _MOST_MISSED) + 1, job.last_build + 1):
            build = BuildId(job.full_name, number)
            if build not in master.runs and build not in master.ended_runs:
                run = Run(build, BuildInfo(build), -inf, RunPhase.ENDING)
                # The next look at the computers may show it, and save the request.
                run.fetch_due = state.now + 2 * master.settings.poll_seconds
                state.wake(run.fetch_due)
                master.runs[build] = run
