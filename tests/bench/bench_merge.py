"""Speculative merges a second: a series of changes, each merged onto the result before it.

    python -m tests.bench.bench_merge [--changes 200] [--files 200] [--mode merge-resolve]
        [--content] [--folder /dev/shm] [--repeat 3] [--methods a,b]

Prints one JSON object: per method the median of the repetitions, its ratio to `git_cold_call` (the
commands that one cold call of Zuul 2.6's merger runs, in the same run), and whether all methods
came to the same tree. --content: every change also edits a file that all of them edit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.merge.methods import METHODS, Measured, Series
from tests.bench.merge.origin import make_origin
from zuul.model.layout import MergeMode

MODES = {"merge": MergeMode.MERGE, "merge-resolve": MergeMode.MERGE_RESOLVE}


def main() -> int:
    options = _parse()
    runs: dict[str, list[Measured]] = {name: [] for name in options.methods}
    folder = Path(tempfile.mkdtemp(prefix="bench-merge-", dir=options.folder))
    try:
        origin = make_origin(folder, options.changes, options.files, options.content)
        for _ in range(options.repeat):
            for name in options.methods:
                scratch = Path(tempfile.mkdtemp(dir=folder))
                series = Series(origin, options.changes, scratch, MODES[options.mode])
                runs[name].append(METHODS[name](series))
                shutil.rmtree(scratch)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(report(options, runs), indent=1))
    return 0


def report(options: argparse.Namespace, runs: dict[str, list[Measured]]) -> dict[str, object]:
    per_method = {name: _summary(options.changes, measured) for name, measured in runs.items()}
    cold = per_method.get("git_cold_call")
    if cold:
        for figures in per_method.values():
            figures["times_git_cold_call"] = round(figures["merges_s"] / cold["merges_s"], 1)
    trees = {measured.tree for all_of_it in runs.values() for measured in all_of_it}
    return {
        "changes": options.changes,
        "files": options.files,
        "mode": options.mode,
        "content": options.content,
        "folder": str(options.folder),
        "load": [round(load, 2) for load in os.getloadavg()],
        "same_tree": len(trees) == 1,
        "methods": per_method,
    }


def _summary(changes: int, measured: list[Measured]) -> dict[str, float]:
    seconds = statistics.median(one.seconds for one in measured)
    own = statistics.median(one.own_seconds for one in measured)
    child = statistics.median(one.child_seconds for one in measured)
    return {
        "merges_s": round(changes / seconds, 1),
        "own_cpu_ms": round(own / changes * 1e3, 3),
        "child_cpu_ms": round(child / changes * 1e3, 3),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures speculative merges.")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--mode", choices=MODES, default="merge-resolve")
    parser.add_argument("--content", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
