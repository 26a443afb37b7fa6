"""What masters tell of jobs and builds, and what they should not."""

from __future__ import annotations

from typing import Any

import pytest

from nodepool.core.build_events import ListedBuild
from nodepool.drivers.build_rows import (
    BuildRow,
    JobRow,
    Page,
    builds_tree,
    jobs_tree,
    parse_build,
    parse_jobs,
    parse_page,
)
from nodepool.errors import TargetError

JOB = JobRow("folder/unit", 100.0)
BUILD = {
    "number": 7,
    "builtOn": "n-1",
    "timestamp": 1_400_000_000_500,
    "building": False,
    "result": "FAILURE",
    "duration": 61_500,
    "actions": [
        {},
        None,
        {"parameters": [{"name": "ZUUL_BRANCH", "value": "stable/x"}, {"name": "P"}]},
        {"parameters": [{"name": "OFFLINE_NODE_WHEN_COMPLETE", "value": "1"}]},
    ],
}


def test_jobs_in_folders_that_were_ever_built() -> None:
    last = {"_class": "X", "number": 3, "timestamp": 1500}
    found = {
        "jobs": [
            {"name": "a b", "lastBuild": last},
            {"name": "never", "lastBuild": None},
            {"name": "view", "url": "x"},
            {"name": "f", "jobs": [{"name": "g", "jobs": [{"name": "in", "lastBuild": last}]}]},
            {"name": "empty", "jobs": []},
        ]
    }
    rows = parse_jobs(found)
    assert rows == [JobRow("a b", 1.5), JobRow("f/g/in", 1.5)]
    assert [row.name for row in rows] == ["a b", "in"]


@pytest.mark.parametrize(
    "jobs",
    [
        None,
        {},
        ["a"],
        [{"lastBuild": None}],
        [{"name": ""}],
        [{"name": "x" * 256}],
        [{"name": "a", "lastBuild": 3}],
        [{"name": "a", "lastBuild": {}}],
        [{"name": "a", "lastBuild": {"timestamp": "1500"}}],
        [{"name": "a", "lastBuild": {"timestamp": True}}],
        [{"name": "a", "lastBuild": {"timestamp": -1}}],
        [{"name": "a", "lastBuild": {"timestamp": 1 << 60}}],
        [{"name": "f", "jobs": [3]}],
    ],
)
def test_a_list_of_jobs_that_hides_some_is_none(jobs: Any) -> None:
    with pytest.raises(TargetError):
        parse_jobs({"jobs": jobs})


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"number": n, "builtOn": f"n-{n}", "timestamp": n * 1000} for n in numbers]


def test_pages() -> None:
    page = parse_page({"firstBuild": {"number": 1}, "allBuilds": rows(9, 8)}, 2)
    assert page == Page((BuildRow(9, 9.0, "n-9"), BuildRow(8, 8.0, "n-8")), is_last=False)
    for found in (
        {"firstBuild": {"number": 8}, "allBuilds": rows(9, 8)},
        {"firstBuild": {"number": 1}, "allBuilds": rows(9)},
        {"firstBuild": None, "allBuilds": []},
    ):
        page = parse_page(found, 2)
        assert page is not None
        assert page.is_last
    assert parse_page({}, 2) is None
    assert parse_page({"builds": rows(1)}, 2) is None


def test_a_page_without_a_range_is_the_last_if_it_has_the_first_build() -> None:
    for numbers, first, last in (((3, 2, 1), 1, True), ((103, 102), 1, False), ((), None, True)):
        found = {"firstBuild": {"number": first} if first else None, "builds": rows(*numbers)}
        page = parse_page(found, None)
        assert page is not None
        assert page.is_last is last


def test_a_build_without_a_node_is_a_row_all_the_same() -> None:
    """A pipeline's has none; an old master does not know it for a moment."""
    found = {"builds": [{"number": 1, "timestamp": 0}, {**rows(2)[0], "builtOn": None}]}
    page = parse_page(found, None)
    assert page is not None
    assert [row.nodename for row in page.rows] == [None, None]


@pytest.mark.parametrize(
    "row",
    [
        3,
        {},
        {"number": 1},
        {"number": 0, "timestamp": 1},
        {"number": True, "timestamp": 1},
        {"number": "1", "timestamp": 1},
        {"number": 1, "timestamp": None},
    ],
)
def test_a_row_that_cannot_be_read_spoils_its_page(row: Any) -> None:
    with pytest.raises(TargetError):
        parse_page({"builds": [row]}, None)


def test_a_build_that_is_over() -> None:
    assert parse_build(JOB, BUILD) == ListedBuild(
        "n-1", "unit", 7, 1_400_000_000.5, False, "FAILURE", 61.5, "stable/x", True
    )


def test_a_build_that_runs() -> None:
    found = {**BUILD, "building": True, "duration": 0, "actions": None}
    expected = ListedBuild("n-1", "unit", 7, 1_400_000_000.5, True)
    assert parse_build(JOB, found) == expected


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1", True), (True, True), ("TRUE", True), ("0", False), ("", False), (1, False)],
)
def test_whether_its_node_is_to_be_offline(value: Any, wanted: bool) -> None:
    parameters = [{"name": "OFFLINE_NODE_WHEN_COMPLETE", "value": value}]
    build = parse_build(JOB, {**BUILD, "actions": [{"parameters": parameters}]})
    assert build is not None
    assert build.offline_wanted is wanted


def test_odd_members_are_passed_over() -> None:
    odd = {"result": 3, "duration": "long", "actions": [[], {"parameters": [3, {"name": 4}]}]}
    build = parse_build(JOB, {**BUILD, **odd})
    assert build is not None
    assert (build.status, build.seconds, build.branch) == (None, None, None)
    assert parse_build(JOB, {**BUILD, "duration": -5}) is not None


@pytest.mark.parametrize("node", ["", None, 3, "x" * 256])
def test_a_build_on_no_node(node: Any) -> None:
    assert parse_build(JOB, {**BUILD, "builtOn": node}) is None


@pytest.mark.parametrize("more", [{"building": None}, {"number": None}, {"timestamp": "x"}])
def test_a_build_that_cannot_be_read(more: dict[str, Any]) -> None:
    with pytest.raises(TargetError):
        parse_build(JOB, {**BUILD, **more})


def test_trees() -> None:
    assert jobs_tree().count("jobs[") == 7
    assert "{" not in builds_tree()
    assert builds_tree(100, 200).endswith("{100,200}")
