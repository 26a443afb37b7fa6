"""The driver for merges, with the test as Gearman server and merger."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.zuul.drivers.gearman.fakes import DriverBench
from zuul.core.commands import MergeChanges
from zuul.core.events import MergeCompleted
from zuul.drivers.gearman.merges import GearmanMerges
from zuul.lib.gearman import ClientJob, Outcome
from zuul.model.build import MergeResult, SeriesItem
from zuul.model.layout import MergeMode, Precedence

SHA, TREE, BASE = "a" * 40, "b" * 40, "c" * 40


def item(number: int, ahead: SeriesItem | None = None, connection: str = "gerrit") -> SeriesItem:
    return SeriesItem(
        request=f"r{number}",
        project="acme/app",
        connection=connection,
        merge_mode=MergeMode.CHERRY_PICK,
        refspec=f"refs/changes/{number}/1",
        branch="master",
        zuul_ref=f"Z{number}",
        number=str(number),
        patchset="1",
        ahead=ahead,
    )


def answer(**fields: Any) -> bytes:
    whole = {
        "merged": True,
        "commit": SHA,
        "zuul_url": "http://m1/p",
        "merger_id": "m1",
        "tree": TREE,
        "base_tree": BASE,
        "conflict": None,
        "error": None,
        "unknown_parent": False,
    }
    return json.dumps({**whole, **fields}).encode()


ORIGINAL = json.dumps({"merged": True, "commit": SHA, "zuul_url": "http://old/p"}).encode()

CONFLICT = answer(
    merged=False,
    commit=None,
    tree=None,
    base_tree=None,
    conflict={"project": "acme/app", "number": 1, "patchset": "1"},
)


class Bench(DriverBench):
    """A driver whose events are in `events`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        urls = {"gerrit": "ssh://gerrit/"}
        self.merges = GearmanMerges(
            self.client,  # type: ignore[arg-type]
            self.admin,  # type: ignore[arg-type]
            self.events.append,
            lambda connection, project: urls[connection] + project,
            make_thread=self.make_thread,
            **options,
        )

    def merge(self, series: SeriesItem) -> None:
        self.merges.merge(MergeChanges(series.request, series, Precedence.HIGH))

    def sent(self) -> list[tuple[str, list[str], Any]]:
        """(function, refs of the items, parent) of every job."""
        found = []
        for job in self.client.jobs:
            arguments = json.loads(job.arguments)
            refs = [entry["ref"] for entry in arguments["items"]]
            found.append((job.function, refs, arguments.get("parent")))
        return found

    def end(self, data: bytes = b"", outcome: Outcome = Outcome.COMPLETE) -> ClientJob:
        job = self.client.last()
        self.client.end(job, outcome, data)
        return job

    def results(self) -> list[tuple[str, MergeResult]]:
        return [
            (event.request, event.result)
            for event in self.events
            if isinstance(event, MergeCompleted)
        ]
