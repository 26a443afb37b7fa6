"""Contract zuul.md 12.12: requirements, each on a pipeline and on a trigger."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.layouts import Edit, pipeline, project
from tests.support.world import World

HOUR = 3600
JENKINS = {"username": "jenkins"}


def required(kind: str, require: list[Any] | None = None, reject: list[Any] | None = None) -> Edit:
    """A pipeline that a comment triggers, if the change's approvals allow it."""
    filters: dict[str, Any] = {"event": "comment-added"}
    keys: dict[str, Any] = {}
    if kind == "pipeline":
        if require is not None:
            keys["require"] = {"approval": require}
        if reject is not None:
            keys["reject"] = {"approval": reject}
    else:
        if require is not None:
            filters["require-approval"] = require
        if reject is not None:
            filters["reject-approval"] = reject
    return pipeline(
        "required",
        manager="IndependentPipelineManager",
        source="gerrit",
        trigger={"gerrit": [filters]},
        success={"gerrit": {}},
        **keys,
    )


def load(world: World, edit: Edit) -> None:
    world.reload(edit, project("org/project", required=["project-job"]))


def runs(world: World) -> int:
    return len(world.history)


either = pytest.mark.parametrize("kind", ["pipeline", "trigger"])


@either
def test_111_newer_than(world: World, kind: str) -> None:
    load(world, required(kind, [{**JENKINS, "newer-than": "48h"}]))
    a = world.change()
    world.comment(a)
    assert runs(world) == 0
    world.vote(a, "Verified", 2, "jenkins", age=72 * HOUR, event=False)
    world.comment(a)
    assert runs(world) == 0
    world.vote(a, "Verified", 2, "jenkins", event=False)
    world.comment(a)
    assert runs(world) == 1


@either
def test_112_older_than(world: World, kind: str) -> None:
    load(world, required(kind, [{**JENKINS, "older-than": "48h"}]))
    a = world.change()
    world.comment(a)
    assert runs(world) == 0
    world.vote(a, "Verified", 2, "jenkins", event=False)
    world.comment(a)
    assert runs(world) == 0
    world.vote(a, "Verified", 2, "jenkins", age=72 * HOUR, event=False)
    world.comment(a)
    assert runs(world) == 1


@either
@pytest.mark.parametrize(
    "rule", [{"username": "^(jenkins|zuul)$"}, {"email": "jenkins@example.com"}]
)
def test_113_who_voted(world: World, kind: str, rule: dict[str, str]) -> None:
    load(world, required(kind, [rule]))
    a = world.change()
    world.comment(a)
    world.vote(a, "Code-Review", 2, "jenkins2", email="other@example.com")
    assert runs(world) == 0
    world.vote(a, "Verified", 1, "jenkins", event=False)
    world.comment(a)
    assert runs(world) == 1


@either
def test_114_one_value(world: World, kind: str) -> None:
    load(world, required(kind, [{**JENKINS, "verified": 1}]))
    a = world.change()
    world.vote(a, "Verified", -1, "jenkins")
    assert runs(world) == 0
    world.vote(a, "Verified", 1, "jenkins")
    assert runs(world) == 1


@either
@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([("jenkins", -1)], 0),
        ([("jenkins", -2)], 0),
        ([("jenkins", 1)], 1),
        ([("other", 2)], 0),
        ([("jenkins", 2)], 1),
    ],
)
def test_114_several_values(
    world: World, kind: str, votes: list[tuple[str, int]], expected: int
) -> None:
    load(world, required(kind, [{**JENKINS, "verified": [1, 2]}]))
    a = world.change()
    for user, value in votes:
        world.vote(a, "Verified", value, user)
    assert runs(world) == expected


def with_requirement(**require: Any) -> Edit:
    return pipeline(
        "required",
        manager="IndependentPipelineManager",
        source="gerrit",
        trigger={"gerrit": [{"event": "comment-added"}]},
        success={"gerrit": {}},
        require=require,
    )


def test_115_current_patch_set(world: World) -> None:
    load(world, with_requirement(**{"current-patchset": True}))
    a = world.change()
    world.upload(a, event=False)
    world.comment(a, patchset=1)
    assert runs(world) == 0
    world.comment(a, patchset=2)
    assert world.history == ["project-job 1,2 SUCCESS"]


@pytest.mark.parametrize("require", [{"open": True}, {"status": "NEW"}])
def test_116_open(world: World, require: dict[str, Any]) -> None:
    load(world, with_requirement(**require))
    a, b = world.change(), world.change()
    world.merge_by_hand(a)
    world.comment(a)
    assert runs(world) == 0
    world.comment(b)
    assert runs(world) == 1


@either
def test_117_reject(world: World, kind: str) -> None:
    load(world, required(kind, reject=[JENKINS]))
    a = world.change()
    world.comment(a)
    assert runs(world) == 1
    world.vote(a, "Verified", 1, "jenkins", event=False)
    world.comment(a)
    world.vote(a, "Code-Review", 2, "another")
    assert runs(world) == 1


@either
def test_118_require_and_reject(world: World, kind: str) -> None:
    load(
        world,
        required(
            kind,
            require=[{**JENKINS, "verified": [1, 2]}],
            reject=[{"verified": [-1, -2]}],
        ),
    )
    a = world.change()
    world.vote(a, "Verified", 1, "other")
    assert runs(world) == 0
    world.vote(a, "Verified", 1, "jenkins")
    assert runs(world) == 1
    world.vote(a, "Verified", -1, "third")
    world.vote(a, "Verified", 1, "fourth")
    assert runs(world) == 1
    world.vote(a, "Verified", 1, "third")
    assert runs(world) == 2
    world.vote(a, "Verified", 1, "fifth")
    assert runs(world) == 3


@either
def test_119_a_change_without_approvals_does_not_pass_a_reject(world: World, kind: str) -> None:
    """Kept as it is: operators rely on it to wait for a first vote."""
    load(world, required(kind, reject=[JENKINS]))
    a = world.change(ready=False)
    world.comment(a)
    assert runs(world) == 0
    world.vote(a, "Code-Review", 1)
    assert runs(world) == 1


def test_120_an_event_without_an_account_does_not_match_a_user(world: World) -> None:
    """Quirk 120 is fixed: in 2.6 it passes."""

    def edit(layout: dict[str, Any]) -> None:
        required("trigger")(layout)
        layout["pipelines"][-1]["trigger"]["gerrit"][0]["username"] = "^jenkins$"

    load(world, edit)
    a = world.change()
    world.comment(a, user=None)
    world.comment(a, user="somebody")
    assert runs(world) == 0
    world.comment(a, user="jenkins")
    assert runs(world) == 1
