"""What is missing at the origin, gone or new there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo
from zuul.errors import MergerError
from zuul.merger.requests import HeadRequest, UpdateRequest

pytestmark = pytest.mark.integration


def test_missing_branch_change_and_origin_are_told_apart(
    world: MergerWorld, project: OriginRepo
) -> None:
    a = project.change({"A": "a"})
    missing_branch = world.merge(replace(a, branch="nowhere"))
    missing_change = world.merge(replace(a, refspec="refs/changes/99/99/9"))
    assert "not found at the origin: refs/heads/nowhere" in str(missing_branch.error)
    assert "not found at the origin: refs/changes/99/99/9" in str(missing_change.error)
    assert missing_branch.conflict is None
    gone = replace(a.origin, url=str(project.path) + "-gone")
    no_origin = world.merge(replace(a, origin=gone))
    assert "origin cannot be read" in str(no_origin.error)
    assert world.merge(a).error is None


def test_removed_branch_is_pruned_and_may_be_nested(
    world: MergerWorld, project: OriginRepo
) -> None:
    project.commit("topic", {"t": "t"}, "topic", parent=project.head["master"])
    world.merger.update(UpdateRequest(project.origin()))
    assert "refs/heads/topic" in world.refs("org/project", "refs/heads/")
    run_git(project.path, "update-ref", "-d", "refs/heads/topic")
    project.commit("topic/nested", {"n": "n"}, "nested", parent=project.head["master"])
    nested = project.change({"A": "a"}, branch="topic/nested")
    assert world.merge(nested).error is None
    assert world.refs("org/project", "refs/heads/") == {
        "refs/heads/master",
        "refs/heads/topic/nested",
    }
    assert "not found" in str(world.merge(replace(nested, branch="topic", zuul_ref="Zt")).error)


def test_head_is_asked_of_the_origin(world: MergerWorld, project: OriginRepo) -> None:
    request = HeadRequest(project.origin(), "master")
    assert world.merger.head(request).commit == project.head["master"]
    landed = project.commit("master", {"x": "x"}, "landed")
    head = world.merger.head(request)
    assert head.commit == landed
    assert head.tree == run_git(project.path, "rev-parse", f"{landed}^{{tree}}")
    with pytest.raises(MergerError, match="refs/heads/none"):
        world.merger.head(HeadRequest(project.origin(), "none"))


def test_update_follows_head_and_tags(world: MergerWorld, project: OriginRepo) -> None:
    world.merger.update(UpdateRequest(project.origin()))
    project.commit("main", {"x": "x"}, "renamed", parent=project.head["master"])
    run_git(project.path, "symbolic-ref", "HEAD", "refs/heads/main")
    run_git(project.path, "update-ref", "-d", "refs/heads/master")
    run_git(project.path, "tag", "v1", "main")
    world.merger.update(UpdateRequest(project.origin()))
    clone = world.git_dir / "org/project"
    assert run_git(clone, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert run_git(clone, "rev-parse", "v1", "main") == "\n".join([project.head["main"]] * 2)
    assert world.refs("org/project", "refs/heads/") == {"refs/heads/main"}
