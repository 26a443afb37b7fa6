"""The walk through a target's builds: what it finds, and what it does not ask for."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import WantedBuilds
from nodepool.drivers.build_lists import find_builds
from nodepool.drivers.build_rows import BuildRow, JobRow, Page

SIZE = 10


@dataclass
class Target:
    """A master in memory. Builds of a job: (started at, node), the oldest first."""

    jobs: dict[str, list[tuple[float, str]]]
    #: how many an old master tells at once; None: it knows ranges
    most: int | None = None
    pages_left: int = 10_000
    asked: list[tuple[str, int]] = field(default_factory=list)
    read: int = 0

    def list_jobs(self) -> list[JobRow]:
        return [JobRow(name, builds[-1][0]) for name, builds in self.jobs.items() if builds]

    def list_builds(self, job: JobRow, start: int) -> Page | None:
        self.asked.append((job.full_name, start))
        self.pages_left -= 1
        if self.pages_left < 0:
            return None
        rows = [
            BuildRow(number, at, node)
            for number, (at, node) in enumerate(self.jobs[job.full_name], 1)
        ]
        rows.reverse()
        if self.most is None:
            found = rows[start : start + SIZE]
            return Page(tuple(found), not found or found[-1].number == 1)
        found = rows[: self.most] if start == 0 else []
        return Page(tuple(found), start == 0 and len(found) == len(rows))

    def read_build(self, job: JobRow, number: int) -> ListedBuild | None:
        self.read += 1
        at, node = self.jobs[job.full_name][number - 1]
        return ListedBuild(node, job.name, number, at, building=False)


def found(target: Target, *wanted: WantedBuilds) -> tuple[set[tuple[str, int]], frozenset[str]]:
    builds, unsure = find_builds(target, wanted)
    assert len(builds) == len({(each.job, each.number) for each in builds})
    return {(each.job, each.number) for each in builds}, unsure


def test_only_jobs_that_were_built_since_are_looked_into() -> None:
    target = Target({"old": [(50, "n")], "new": [(90, "n"), (150, "n"), (160, "m")], "f/x": []})
    assert found(target, WantedBuilds("n", 100)) == ({("new", 2)}, frozenset())
    assert target.asked == [("new", 0)]
    assert target.read == 1


def test_each_node_has_its_own_moment() -> None:
    target = Target({"a": [(110, "n"), (120, "m"), (130, "n")]})
    wanted = (WantedBuilds("n", 125), WantedBuilds("m", 100))
    assert found(target, *wanted) == ({("a", 2), ("a", 3)}, frozenset())


def test_a_known_job_is_looked_into_whenever_it_was_built() -> None:
    """A long build has begun before all that matters otherwise."""
    target = Target({"f/long": [(10, "n"), (11, "m")], "b": [(200, "m")]})
    wanted = (WantedBuilds("n", 5, "long"), WantedBuilds("m", 100))
    assert found(target, *wanted) == ({("long", 1), ("b", 1)}, frozenset())


def test_and_no_other_job_s_builds_are_taken_for_it() -> None:
    target = Target({"long": [(10, "n")], "b": [(200, "n")]})
    assert found(target, WantedBuilds("n", 5, "long")) == ({("long", 1)}, frozenset())
    assert target.asked == [("long", 0)]


def test_pages_are_turned_until_one_is_older() -> None:
    target = Target({"a": [(at, "n" if at == 75 else "m") for at in range(100)]})
    assert found(target, WantedBuilds("n", 70)) == ({("a", 76)}, frozenset())
    assert target.asked == [("a", 0), ("a", 10), ("a", 20), ("a", 30)]


def test_builds_that_begin_meanwhile_are_no_trouble() -> None:
    class Busy(Target):
        def list_builds(self, job: JobRow, start: int) -> Page | None:
            page = super().list_builds(job, start)
            self.jobs["a"].append((1000, "m"))
            return page

    target = Busy({"a": [(at, "n" if at == 75 else "m") for at in range(100)]})
    assert found(target, WantedBuilds("n", 50)) == ({("a", 76)}, frozenset())


def test_an_old_master_that_tells_all() -> None:
    target = Target({"a": [(at, "n") for at in range(100)]}, most=10_000)
    builds, unsure = found(target, WantedBuilds("n", 0))
    assert (len(builds), unsure) == (100, frozenset())
    assert target.asked == [("a", 0)]


def test_one_that_tells_the_newest_alone() -> None:
    target = Target({"a": [(at, "m") for at in range(100)]}, most=20)
    wanted = (WantedBuilds("early", 50), WantedBuilds("late", 85))
    assert found(target, *wanted) == (set(), frozenset({"early"}))


@pytest.mark.parametrize("by", ["pages", "time"])
def test_an_end_is_put_to_it_and_what_it_leaves_open_is_told(by: str) -> None:
    """Jobs that were built last come first."""
    target = Target({f"j-{at}": [(float(at), "m")] for at in range(100)})
    if by == "time":
        target.pages_left = 30
    moments = (0, 50, 60, 68, 72, 90)
    wanted = [WantedBuilds(f"n-{since}", since) for since in moments]
    builds, unsure = find_builds(target, wanted, pages=30 if by == "pages" else 10_000)
    assert (builds, unsure) == ((), frozenset({"n-0", "n-50", "n-60", "n-68"}))
    assert min(int(job[2:]) for job, _ in target.asked[:30]) == 70


def test_a_build_that_is_gone_by_now() -> None:
    class Short(Target):
        def read_build(self, job: JobRow, number: int) -> ListedBuild | None:
            return None

    assert found(Short({"a": [(10, "n")]}), WantedBuilds("n", 0)) == (set(), frozenset())


def test_nothing_wanted_costs_one_request() -> None:
    target = Target({"a": [(10, "n")]})
    assert found(target, WantedBuilds("n", 20)) == (set(), frozenset())
    assert target.asked == []


@pytest.mark.parametrize("seed", range(200))
def test_all_is_found_or_said_to_be_unsure(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n-{number}" for number in range(6)]
    jobs: dict[str, list[tuple[float, str]]] = {}
    for job in range(chance.randint(1, 8)):
        times = sorted(float(chance.randint(0, 1000)) for _ in range(chance.randint(0, 60)))
        jobs[f"f/j-{job}"] = [(at, chance.choice([*names, "", "static"])) for at in times]
    target = Target(jobs, chance.choice([None, None, 15, 1000]), chance.choice([3, 10, 10_000]))
    wanted = [
        WantedBuilds(
            name,
            float(chance.randint(0, 1000)),
            f"j-{chance.randint(0, 8)}" if chance.random() < 0.2 else None,
        )
        for name in chance.sample(names, 4)
    ]
    builds, unsure = found(target, *wanted)
    expected = {
        (name[2:], number)
        for name, rows in jobs.items()
        for number, (at, node) in enumerate(rows, 1)
        for each in wanted
        if each.nodename == node and at >= each.since and each.job in (None, name[2:])
    }
    assert builds <= expected
    for job, number in expected - builds:
        node = jobs[f"f/{job}"][number - 1][1]
        assert node in unsure or any(w.nodename == node and w.job for w in wanted)
