"""Contract zuul.md 12.13 and 67: pipelines that hear of what Zuul does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.layouts import Edit, named, pipeline, project
from tests.support.world import World
from zuul.core.commands import FindOpenChanges
from zuul.core.events import GracefulExitRequested, TriggerReceived
from zuul.model.trigger import PARENT_CHANGE_ENQUEUED, PROJECT_CHANGE_MERGED, own_event

PARENT, MERGED = PARENT_CHANGE_ENQUEUED, PROJECT_CHANGE_MERGED


def voted(value: int) -> list[dict[str, Any]]:
    return [{"username": "for-check", "verified": value}]


def family() -> tuple[Edit, ...]:
    """Children are taken into check or gate, as they were voted on, once their parent is."""

    def edit(layout: dict[str, Any]) -> None:
        check, gate = (named(layout["pipelines"], name) for name in ("check", "gate"))
        check["trigger"] = {
            "zuul": [{"event": PARENT, "pipeline": "gate", "require-approval": voted(-1)}]
        }
        gate["trigger"]["zuul"] = [
            {"event": PARENT, "pipeline": "gate", "require-approval": voted(1)}
        ]

    tree = ["project-merge"]
    return edit, project("org/project", check=tree, gate=tree)


def told(world: World) -> list[str]:
    """Types of the events that the core has taken."""
    return [seen.event.type for seen in world.saw("event_received")]


def test_121_children_follow_their_parent(world: World) -> None:
    world.reload(*family())
    a = world.change()
    b1, b2 = world.change(needs=a), world.change(needs=a)
    world.vote(b1, "Verified", -1, "for-check", event=False)
    world.vote(b2, "Verified", 1, "for-check", event=False)
    world.vote(b2, "Approved", 1, event=False)
    world.hold_builds()
    world.approve(a)
    assert world.items("gate") == [["1,1", "3,1"]]
    assert world.items("check") == [["[1,1]", "2,1"]]
    world.release()
    assert sorted(world.history) == [
        "project-merge 1,1 2,1 SUCCESS",
        "project-merge 1,1 3,1 SUCCESS",
        "project-merge 1,1 SUCCESS",
    ]
    world.expect_merged(a, b2)
    world.expect_reports(1, b1)


def test_121_a_parent_that_is_only_a_base_counts_too(world: World) -> None:
    """Enqueued in any pipeline, live or not; the filter says which."""
    world.reload(
        pipeline("dup1", trigger={"zuul": [{"event": PARENT, "pipeline": ["^che"]}]}),
        project("org/project", dup1=["project-test1"]),
    )
    a = world.change()
    b = world.change(needs=a)
    c = world.change(depends_on=b)
    world.hold_builds()
    world.created(b)
    assert world.items("check") == [["[1,1]", "2,1"]]
    # A, a base in check, brings B; B brings C; what enters dup1 itself is not asked for
    assert world.items("dup1") == [["[1,1]", "2,1"], ["[1,1]", "[2,1]", "3,1"]]
    world.release()
    world.expect_reports(1, c)


def test_121_a_child_is_tested_anew_on_its_parents_new_patch_set(world: World) -> None:
    """What it was tested on is gone, and it with it (51); then it comes in again."""
    world.reload(pipeline("dup1", trigger={"zuul": [{"event": PARENT, "pipeline": "check"}]}))
    a = world.change()
    b = world.change(depends_on=a)
    world.hold_builds()
    world.created(a)
    assert world.items("dup1") == [["[1,1]", "2,1"]]
    world.upload(a)
    assert world.items("dup1") == [["[1,2]", "2,1"]]
    world.release()
    assert "depends on a change that failed to merge" in b.comments[0].text
    world.expect_reports(2, b)


def test_121_only_open_current_children(world: World) -> None:
    world.reload(pipeline("dup1", trigger={"zuul": [{"event": PARENT}]}))
    a = world.change()
    gone, late = world.change(needs=a), world.change(needs=a)
    gone.status = "ABANDONED"
    world.upload(late, event=False, needs=a)
    world.hold_builds()
    world.created(a)
    assert world.items("dup1") == [["[1,1]", "3,2"]]


def test_121_siblings_and_children_without_end_are_taken_once(world: World) -> None:
    """What enters the pipeline tells it of more, and that again; each is taken in once."""
    world.reload(pipeline("dup1", trigger={"zuul": [{"event": PARENT}]}))
    first = previous = world.change()
    chain = [first]
    for _ in range(6):
        previous = world.change(depends_on=previous)
        chain.append(previous)
    world.created(first)
    world.expect_reports(1, *chain[1:])
    world.expect_idle()


def merge_check() -> tuple[Edit, ...]:
    return (
        pipeline(
            "merge-check",
            manager="IndependentPipelineManager",
            source="gerrit",
            ignore_dependencies=True,
            trigger={"zuul": [{"event": MERGED}]},
            merge_failure={"gerrit": {"verified": -1}},
        ),
        project("org/project", **{"merge-check": ["noop"]}),
    )


def test_067_open_changes_are_merged_anew_once_one_has_landed(world: World) -> None:
    for round_ in range(2):
        world.reload(*merge_check())
        conflict = {f"conflict-{round_}": "some"}
        a = world.change(files={f"conflict-{round_}": "other"})
        b = world.change(files=conflict)
        c = world.change()
        d = world.change("org/project1", files=conflict)
        e = world.change()
        world.abandon(e)
        asked = []
        world.watchers.append(
            lambda batch, into=asked: into.extend(
                c for c in batch if isinstance(c, FindOpenChanges)
            )
        )
        world.approve(a)
        assert asked == [FindOpenChanges("gerrit", "org/project", a.key)]
        world.expect_merged(a)
        world.expect_open(b, c, d)
        world.expect_reports(1, b)
        world.expect_reports(0, c, d, e)
        assert b.comments[0].text.startswith("Merge Failed.")
        world.expect_votes(b, -1)
        world.abandon(b)
        world.abandon(c)
    world.expect_idle()


def test_067_nobody_is_asked_where_nobody_cares(world: World) -> None:
    """A project without jobs in such a pipeline costs no query."""
    world.reload(*merge_check())
    a, b = world.change("org/project1"), world.change("org/project1")
    world.approve(a)
    world.expect_merged(a)
    assert MERGED not in told(world)
    world.expect_reports(0, b)


@pytest.mark.parametrize("way", ["a person", "an independent pipeline"])
def test_067_what_zuul_did_not_merge_is_not_told_of(world: World, way: str) -> None:
    world.reload(*merge_check())
    a, b = world.change(files={"f": "a"}), world.change(files={"f": "b"})
    if way == "a person":
        world.merge_by_hand(a, event=True)
    else:
        world.created(a)
    world.expect_reports(0, b)


def test_067_what_has_merged_meanwhile_is_passed_over(world: World) -> None:
    """The server's index shows a change as open for a moment after its merge."""
    world.reload(*merge_check())
    a = world.change()
    stale = world.gerrit.lookup(a)
    world.approve(a)
    world.expect_merged(a)
    world.tell(TriggerReceived(own_event(MERGED, stale, world.clock.now), stale, (stale,)))
    world.settle()
    assert world.saw("item_enqueued", pipeline="merge-check") == []


def test_332_one_filter_for_both_events(world: World) -> None:
    """Quirk 2.4 is fixed: in 2.6 such a filter hears of parents alone."""
    world.reload(
        *merge_check(),
        pipeline(
            "merge-check", trigger={"zuul": [{"event": [MERGED, PARENT], "pipeline": "gate"}]}
        ),
    )
    a, b = world.change(), world.change(files={"x": "x"})
    c = world.change("org/project", needs=a, files={"y": "y"})
    world.approve(a)
    entered = [seen.change.key for seen in world.saw("item_enqueued", pipeline="merge-check")]
    assert entered == [c.key, b.key, c.key]
    world.expect_reports(0, b, c)


def test_333_no_new_items_while_the_process_exits(world: World) -> None:
    world.reload(*merge_check())
    a, b = world.change(files={"f": "a"}), world.change(files={"f": "b"})
    world.hold_builds()
    world.approve(a)
    world.tell(GracefulExitRequested())
    world.release()
    world.release()
    world.expect_merged(a)
    world.expect_reports(0, b)
    assert world.stopped
