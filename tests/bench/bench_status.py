"""How long a status snapshot stops the scheduler, and what rendering costs the web's thread.

`python -m tests.bench.bench_status` prints JSON: milliseconds, for 1,000 changes of 3 jobs each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.bench.bench_core import Bench
from zuul.core import events
from zuul.core.status import render
from zuul.model.build import BuildData

CHANGES = 1000


def milliseconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return round((time.perf_counter() - started) * 1000, 2)


def main() -> None:
    bench = Bench(0)
    bench.fill(CHANGES)
    result = {"changes": CHANGES, "jobs": len(bench.builds), "unit": "ms"}

    def pause() -> float:
        return milliseconds(lambda: bench.scheduler.snapshot(bench.now))

    result["pause, everything new"] = pause()
    result["pause, nothing new"] = pause()
    bench.finish(bench.take())
    result["pause, one item new"] = pause()
    for build in list(bench.builds):
        bench.handle(events.BuildStarted(build, BuildData(number=1, url="http://x"), bench.now))
    result["pause, everything started"] = pause()
    bench.finish(bench.take(), "FAILURE")
    result["pause, head failed and all restarted"] = pause()
    snapshot = bench.scheduler.snapshot(bench.now)
    document = render(snapshot, bench.now, version="bench")
    result["render (web's thread)"] = milliseconds(
        lambda: render(snapshot, bench.now, version="bench")
    )
    result["bytes"] = len(json.dumps(document))
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
