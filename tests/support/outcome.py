"""What has become of a world: the questions that scenarios ask, in the catalogue's words."""

from __future__ import annotations

from typing import Any

from tests.support.engine import Engine
from tests.support.fake_gearman import FakeBuild
from tests.support.fake_gerrit import FakeChange
from tests.support.fake_observer import Seen


class Outcome(Engine):
    """An engine that can be asked."""

    def change_of(self, build: FakeBuild) -> FakeChange | None:
        """The change that a build tests."""
        number = build.change.partition(",")[0]
        return self.gerrit.changes.get(int(number)) if number else None

    @property
    def running(self) -> list[str]:
        """`job changes` of builds on workers, oldest first."""
        return [f"{build.job} {build.changes}".strip() for build in self.gearman.running]

    @property
    def queued(self) -> list[str]:
        """`job changes` of builds in the Gearman queue."""
        return [f"{build.job} {build.changes}".strip() for build in self.gearman.queued]

    @property
    def history(self) -> list[str]:
        """`job changes RESULT` of builds that ended on a worker."""
        return [
            " ".join(filter(None, (build.job, build.changes, str(build.result))))
            for build in self.gearman.history
        ]

    def ended(self, job: str, change: FakeChange | None = None) -> list[FakeBuild]:
        """The builds of one job (of one change) that ended, in that order."""
        return [
            build
            for build in self.gearman.history
            if build.job == job and change in (None, self.change_of(build))
        ]

    def results(self, job: str, change: FakeChange | None = None) -> list[str | None]:
        """How the builds of one job ended (of one change)."""
        return [build.result for build in self.ended(job, change)]

    def aborted(self) -> list[str]:
        """`job changes` of builds that were stopped."""
        return [entry.removesuffix(" ABORTED") for entry in self.history if "ABORTED" in entry]

    def pipeline(self, name: str) -> dict[str, Any]:
        """One pipeline of status.json."""
        return next(p for p in self.status()["pipelines"] if p["name"] == name)

    def items(self, pipeline: str) -> list[list[str]]:
        """Ids of the items of each queue that has any; a non-live item stands in brackets."""
        shown = []
        for queue in self.pipeline(pipeline)["change_queues"]:
            entries = [
                str(item["id"]) if item["live"] else f"[{item['id']}]"
                for head in queue["heads"]
                for item in head
            ]
            if entries:
                shown.append(entries)
        return shown

    def item(self, pipeline: str, change: FakeChange) -> dict[str, Any]:
        """The live item of a change, as status.json shows it."""
        found = [
            item
            for queue in self.pipeline(pipeline)["change_queues"]
            for head in queue["heads"]
            for item in head
            if item["live"] and item["id"] == str(change.key)
        ]
        assert len(found) == 1, found
        return found[0]

    def window(self, pipeline: str, project: str) -> int:
        queues = self.pipeline(pipeline)["change_queues"]
        return next(q["window"] for q in queues if project in q["name"] or len(queues) == 1)

    def saw(self, hook: str, **fields: Any) -> list[Seen]:
        """Calls of an observer's hook that have these fields."""
        return [
            seen
            for seen in self.observer.of(hook)
            if all(seen.arguments.get(name) == value for name, value in fields.items())
        ]

    def expect_merged(self, *changes: FakeChange) -> None:
        assert [change for change in changes if change.status != "MERGED"] == []

    def expect_open(self, *changes: FakeChange) -> None:
        assert [change for change in changes if change.status != "NEW"] == []

    def expect_reports(self, count: int, *changes: FakeChange) -> None:
        """How often Zuul commented."""
        counts = {change: len(change.comments) for change in changes}
        assert counts == dict.fromkeys(changes, count)

    def expect_votes(self, change: FakeChange, value: int) -> None:
        """Zuul's Verified vote on the current patch set; 0 is none."""
        vote = change.current.votes.get(("Verified", "zuul"))
        assert (vote.value if vote else 0) == value

    def expect_idle(self) -> None:
        """Nothing is under way and no pipeline holds anything."""
        assert (self.queued, self.running, self.merges, self.reports) == ([], [], [], [])
        for pipeline in self.status()["pipelines"]:
            assert self.items(pipeline["name"]) == [], pipeline["name"]
