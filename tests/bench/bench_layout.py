"""What a layout costs: from file to Layout, imports included; events against its filters; and
`zuul layout jobs` from a cold start.

`python -m tests.bench.bench_layout [--layout FILE] [--runs N]` prints JSON. Every run is a fresh
process, runs of the two kinds take turns, and all times are CPU seconds, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LAYOUT = ROOT.parent / "shared" / "data" / "openstack-2016" / "layout.yaml"
EVENTS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layout", type=Path, default=LAYOUT)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=sorted(CHILDREN))
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options.layout)))
        return
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in CHILDREN}
    for _ in range(options.runs):
        for kind in CHILDREN:
            runs[kind].append(run_child(kind, options.layout))
    result: dict[str, Any] = {
        key: round(statistics.median(run[key] for run in found), 4)
        for found in runs.values()
        for key in found[0]
    }
    loaded = result["import_seconds"] + result["load_seconds"]
    result["file_to_layout_seconds"] = round(loaded, 4)
    result["ratio_to_bare_csafeloader"] = round(loaded / result["bare_csafeloader_seconds"], 2)
    result["ratio_without_imports"] = round(
        result["load_seconds"] / result["bare_csafeloader_seconds"], 2
    )
    print(json.dumps(result, indent=1))


def run_child(kind: str, layout: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_layout", "--child", kind, "--layout", layout],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=120,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def bare(layout: Path) -> dict[str, float]:
    """libyaml alone, which no reader of the same file can beat by much."""
    import yaml

    text = layout.read_text()
    begin = time.process_time()
    yaml.load(text, Loader=yaml.CSafeLoader)
    return {"bare_csafeloader_seconds": time.process_time() - begin}


def ours(layout: Path) -> dict[str, float]:
    begin = time.process_time()
    from zuul.layout.loader import check_layout

    imported = time.process_time()
    checked = check_layout(layout)
    loaded = time.process_time()
    assert checked.layout is not None, checked.problems
    return {"import_seconds": imported - begin, "load_seconds": loaded - imported}


def events(layout: Path) -> dict[str, float]:
    """Comments that match nothing: through the index, and through every filter one by one."""
    from zuul.layout.loader import check_layout
    from zuul.model.change import Approval
    from zuul.model.interest import InterestIndex
    from zuul.model.trigger import Account, TriggerEvent

    found = check_layout(layout).layout
    assert found is not None
    filters = [each for pipeline in found.pipelines for each in pipeline.filters]
    heard = [
        TriggerEvent(
            "gerrit",
            "comment-added",
            project="openstack/nova",
            branch="master",
            account=Account(f"user{number}", f"user{number}@example.org"),
            comment=f"Patch Set 3: Code-Review+1\n\n(2 comments)\n\nLooks good, see {number}.",
            approvals=(Approval("code-review", 1),),
        )
        for number in range(EVENTS)
    ]
    index = InterestIndex(found)
    begin = time.process_time()
    wanted = sum(map(index.wants, heard))
    indexed = time.process_time()
    wanted += sum(each.wants(event) for event in heard for each in filters)
    end = time.process_time()
    assert wanted == 0, "these comments are meant to match nothing"
    return {
        "comments_per_second_index": EVENTS / (indexed - begin),
        "comments_per_second_all_filters": EVENTS / (end - indexed),
        "event_milliseconds_all_filters": (end - indexed) * 1000 / EVENTS,
        "event_milliseconds_index": (indexed - begin) * 1000 / EVENTS,
    }


def command(layout: Path) -> dict[str, float]:
    """The whole command, as a person waits for it: wall clock, and the CPU of its process."""
    asked = (
        "--project openstack/nova --pipeline gate --branch master --file nova/api.py /COMMIT_MSG"
    )
    before = os.times()
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "zuul.cmd.client", "layout", "jobs", layout, *asked.split()],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    wall = time.monotonic() - begin
    after = os.times()
    cpu = after.children_user + after.children_system
    return {
        "layout_jobs_wall_seconds": wall,
        "layout_jobs_cpu_seconds": cpu - before.children_user - before.children_system,
    }


def questions(layout: Path) -> dict[str, float]:
    """The answers to one question with all its reasons, over the projects of all pipelines."""
    from zuul.layout.questions import LayoutQuestions

    asked = LayoutQuestions.read(layout)
    places = [
        (pipeline.name, project)
        for pipeline in asked.layout.pipelines
        for project in pipeline.trees
    ]
    begin = time.process_time()
    for pipeline, project in places:
        asked.jobs(pipeline, project, "stable/kilo", ("/COMMIT_MSG", "doc/source/index.rst"))
    return {"question_milliseconds": (time.process_time() - begin) * 1000 / len(places)}


CHILDREN = {
    "bare": bare,
    "ours": ours,
    "events": events,
    "command": command,
    "questions": questions,
}


if __name__ == "__main__":
    main()
