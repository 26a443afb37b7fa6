"""What nodepool's decisions cost: allocation, and a node's replacement.

Allocation is the workload of the baselines (BASELINES.md section 4). Replacement is the time from a
build's start, as an event, to the create call of the node that follows, in a pool of so many nodes.

`python -m tests.bench.bench_allocation [--runs N]` prints JSON: CPU milliseconds, medians, of the
allocator and of the contract's algorithm done step by step (its peer in the same run), and what
Nodepool 0.5 took on the machine of the baselines. The second round has history.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nodepool.core.allocation import Grant, History, Request, allocate
from nodepool.core.build_events import BuildStarted
from nodepool.core.commands import CreateServer
from nodepool.core.events import ServerCreated
from nodepool.model import NodeState
from tests.unit.nodepool.core.plain_allocation import allocate_plainly
from tests.unit.nodepool.core.site import Site

Allocate = Callable[[Mapping[str, int], Sequence[Request], History], list[Grant]]

#: providers, labels, targets, and CPU milliseconds of Nodepool 0.5 for a demand of 10,000
SIZES = ((20, 1, 1, 0.3), (20, 10, 1, 2.5), (20, 10, 8, 11.8), (20, 100, 8, 153), (40, 100, 8, 402))
DEMANDS = (1_000, 10_000, 100_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for demand in DEMANDS:
        for providers, labels, targets, old in SIZES:
            row: dict[str, Any] = {
                "demand": demand,
                "providers": providers,
                "labels": labels,
                "targets": targets,
            }
            size = (demand, providers, labels, targets)
            runs = [rounds(allocate, *size) for _ in range(options.runs)]
            plain = [rounds(allocate_plainly, *size) for _ in range(min(options.runs, 3))]
            for key in ("first_ms", "second_ms"):
                row[key] = round(statistics.median(run[key] for run in runs), 3)
                row[f"plain_{key}"] = round(statistics.median(run[key] for run in plain), 3)
            row["granted"] = runs[0]["granted"]
            assert row["granted"] == plain[0]["granted"]
            row["nodepool_0_5_ms"] = old
            row["ratio_to_nodepool_0_5"] = round(row["first_ms"] / old, 4)
            rows.append(row)
    replacement = [replacements(nodes) for nodes in (100, 1000, 2000)]
    print(json.dumps({"allocation": rows, "replacement": replacement}, indent=1))


CONFIG = """\
labels:
{labels}
providers:
{providers}
targets: [{{name: t1}}, {{name: t2}}, {{name: t3}}]
"""


def replacements(nodes: int) -> dict[str, float]:
    """Builds start on all idle nodes, one after the other; wall-clock milliseconds each."""
    kinds, clouds = 20, 6
    names = ", ".join(f"{{name: p{n}}}" for n in range(clouds))
    labels = [
        f"  - {{name: l{n}, image: i, min-ready: {nodes // kinds}, providers: [{names}]}}"
        for n in range(kinds)
    ]
    images = "[{name: i, min-ram: 1, base-image: b}]"
    providers = [
        f"  - {{name: p{n}, max-servers: {nodes}, images: {images}}}" for n in range(clouds)
    ]
    site = Site(CONFIG.format(labels="\n".join(labels), providers="\n".join(providers)))
    while site.create():
        pass
    for name in site.config.providers:
        site.list(name)
    site.connect()
    site.prepare()
    idle = [node for node in site.rows.values() if node.state is NodeState.READY][:500]
    assert len(idle) == min(nodes, 500)
    times = []
    for node in idle:
        event = BuildStarted(node.nodename, "job")
        started = time.perf_counter()
        done = site.pool.handle(event, site.now)
        times.append((time.perf_counter() - started) * 1000)
        (create,) = [each for each in done if isinstance(each, CreateServer)]
        site.pool.handle(ServerCreated(create.key, f"n-{create.key.id}"), site.now)
    times.sort()
    return {
        "nodes": nodes,
        "p50_ms": round(times[len(times) // 2], 3),
        "p99_ms": round(times[len(times) * 99 // 100], 3),
        "max_ms": round(times[-1], 3),
    }


def rounds(
    run: Allocate, demand: int, providers: int, labels: int, targets: int
) -> dict[str, float]:
    """Two rounds at half of what is wanted."""
    history = History()
    found: dict[str, float] = {}
    for key in ("first_ms", "second_ms"):
        started = time.process_time()
        room = {f"p{n}": demand // providers // 2 + 1 for n in range(providers)}
        names = list(room)
        requests = [
            Request(f"l{n}", demand // labels, names, {f"t{t}": 0 for t in range(targets)})
            for n in range(labels)
        ]
        grants = run(room, requests, history)
        history.close_round(requests, grants)
        found[key] = (time.process_time() - started) * 1000
        found["granted"] = sum(grant.amount for grant in grants)
    return found


if __name__ == "__main__":
    main()
