"""Comment events that match nothing, a CPU second, with a real layout and a full gate.

`python -m tests.bench.bench_events --layout LAYOUT.yaml [--queued N]` prints JSON. Events carry
their change as drivers send it when a pipeline might want it.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from tests.bench.bench_core import Bench, Ids, Silent, Times, make_change
from zuul.core import events
from zuul.core.messages import ReportOptions
from zuul.core.scheduler import Scheduler
from zuul.layout.loader import read_layout
from zuul.model.change import Approval
from zuul.model.layout import Layout
from zuul.model.trigger import Account, TriggerEvent

EVENTS = 20000


def rate(scheduler: Scheduler, project: str, *, looked_up: bool) -> int:
    """Events a CPU second."""
    change = replace(make_change(999999), project=project)
    batch = [
        events.TriggerReceived(
            TriggerEvent(
                "gerrit",
                "comment-added",
                project=project,
                branch="master",
                number=change.key.number,
                patchset=change.key.patchset,
                account=Account("reviewer", "reviewer@example.org", "A Reviewer"),
                comment=f"Patch Set 1: Code-Review+1\n\nLooks good to me, nit {n} inline.",
                approvals=(Approval("code-review", 1),),
            ),
            change if looked_up else None,
            (change,) if looked_up else (),
        )
        for n in range(EVENTS)
    ]
    started = time.process_time()
    for event in batch:
        scheduler.handle((event,), 1.0)
    return int(EVENTS / (time.process_time() - started))


def idle(layout: Layout) -> Scheduler:
    scheduler = Scheduler(Ids(), Times(), Silent(), ReportOptions())
    scheduler.handle((events.LayoutLoaded(layout),), 0.0)
    return scheduler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", type=Path, required=True)
    parser.add_argument("--queued", type=int, default=1000)
    arguments = parser.parse_args()
    layout = read_layout(arguments.layout)
    project = next(iter(layout.projects))
    full = Bench(0)
    full.fill(arguments.queued)
    result = {
        "unit": "events a CPU second",
        "layout, change looked up": rate(idle(layout), project, looked_up=True),
        "layout, not looked up": rate(idle(layout), project, looked_up=False),
        f"{arguments.queued} changes in the gate": rate(full.scheduler, "org/p1", looked_up=True),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
