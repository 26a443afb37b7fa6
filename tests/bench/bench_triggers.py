"""What a merge costs where a pipeline asks for `project-change-merged`, and what a tick costs.

`python -m tests.bench.bench_triggers` prints JSON: CPU seconds, without Gerrit and the reading of
its answers, by number of open changes (of projects, for a tick); and how many queries it takes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, cast

from tests.unit.zuul.core.layouts import check_config, make_layout, tree
from tests.unit.zuul.drivers.gerrit.rows import make_row
from zuul.drivers.gerrit.delivery import Delivery
from zuul.drivers.gerrit.open_changes import OpenChanges
from zuul.drivers.gerrit.queries import BATCH_TERMS, Answer, Term
from zuul.drivers.gerrit.records import Row
from zuul.drivers.timer import Schedule
from zuul.lib.workers import Lanes
from zuul.model.matching import EventFilter
from zuul.model.trigger import TIMER

SIZES = (100, 1_000, 4_000)
#: nothing is gathered beyond (zuul/drivers/gerrit/closure.py)
LONGEST_CHAIN = 1_000
NOON = 1_480_000_020.0


class Server:
    """Answers from memory, and counts queries as the driver would batch them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)
        self._by_value: dict[str, list[Row]] = {}
        for row in self._rows:
            for value in (row.number, row.change_id):
                self._by_value.setdefault(value, []).append(row)
        self.queries = 0

    def look_up(self, terms: Iterable[Term]) -> Mapping[Term, Answer]:
        asked = list(terms)
        self.queries += -(-len(asked) // BATCH_TERMS)
        return {term: Answer(tuple(self._rows_of(term)), 1.0) for term in asked}

    def _rows_of(self, term: Term) -> Iterable[Row]:
        if term.operator == "project":
            return self._rows
        return () if term.operator == "message" else self._by_value.get(term.value, ())


class AtOnce:
    """A pool of threads that is none."""

    def submit(self, lane: Hashable, work: Callable[[], object], what: str) -> None:
        work()


def find(rows: list[Row]) -> dict[str, Any]:
    server, told = Server(rows), list[Delivery]()
    found = OpenChanges(
        "gerrit",
        cast(Lanes, AtOnce()),
        server.look_up,
        server.look_up,
        told.append,
        print,
        threading.Event(),
    )
    started = time.process_time()
    found.find("org/demo", "1")
    seconds = time.process_time() - started
    assert len(told) == len(rows)
    return {"seconds": round(seconds, 3), "queries": server.queries}


def chained(size: int) -> list[Row]:
    def ref(number: int) -> list[dict[str, str]]:
        return [{"ref": f"refs/changes/{number % 100:02d}/{number}/1"}]

    return [
        make_row(
            number,
            dependsOn=ref(number - 1) if number > 2 else None,
            neededBy=ref(number + 1) if number < size + 1 else None,
        )
        for number in range(2, size + 2)
    ]


def tick(size: int) -> float:
    """Seconds of all turns of one tick."""
    wanted = EventFilter(TIMER, frozenset({TIMER}), timespec="* * * * *", jitter=30)
    config = check_config(dict.fromkeys(map(str, range(size)), tree("unit")), filters=(wanted,))
    schedule = Schedule()
    schedule.set_layout(make_layout(config), NOON)
    started = time.process_time()
    turns = [turn for second in range(60, 91) for turn in schedule.take_due(NOON + second)]
    assert len(turns) == size
    return round(time.process_time() - started, 4)


def main() -> None:
    result = {
        "open changes alone": {n: find([make_row(i) for i in range(2, n + 2)]) for n in SIZES},
        "in one chain": {n: find(chained(n)) for n in SIZES if n <= LONGEST_CHAIN},
        "a tick with jitter": {n: tick(n) for n in SIZES},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
