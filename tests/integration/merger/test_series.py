"""A merger's series of changes, on real repositories (contract zuul.md 12.6)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, published
from zuul.merger.requests import ConflictingItem, UpdateRequest
from zuul.model.layout import MergeMode

pytestmark = pytest.mark.integration


def test_056_history_of_the_last_ref(world: MergerWorld, project: OriginRepo) -> None:
    a, b, c = project.changes("ABC", mode=MergeMode.CHERRY_PICK)
    answer = world.merge(a, b, c)
    assert answer.error is None
    assert world.subjects("org/project", published(c)) == [
        "initial commit",
        "change 1",
        "change 2",
        "change 3",
    ]
    assert answer.commit == run_git(world.git_dir / "org/project", "rev-parse", published(c))
    tree = run_git(world.git_dir / "org/project", "rev-parse", f"{answer.commit}^{{tree}}")
    base = run_git(world.git_dir / "org/project", "rev-parse", f"{answer.commit}^^{{tree}}")
    assert (answer.tree, answer.base_tree) == (tree, base)


@pytest.mark.parametrize("mode", list(MergeMode))
def test_056_every_mode_holds_all_changes(
    world: MergerWorld, project: OriginRepo, mode: MergeMode
) -> None:
    a, b, c = project.changes("ABC", mode=mode)
    assert world.merge(a, b, c).error is None
    assert world.files("org/project", published(a)) == {"README", "A"}
    assert world.files("org/project", published(c)) == {"README", "A", "B", "C"}


def test_057_branches_back_and_forth_and_reset(world: MergerWorld, project: OriginRepo) -> None:
    project.commit("mp", {"mp": "mp\n"}, "mp commit", parent=project.head["master"])
    on_mp = project.changes("ABC", branch="mp", mode=MergeMode.CHERRY_PICK)
    on_master = project.change({"M": "m"}, mode=MergeMode.CHERRY_PICK)
    assert world.merge(on_master).error is None
    assert world.merge(*on_mp).error is None
    assert world.subjects("org/project", published(on_mp[2])) == [
        "initial commit",
        "mp commit",
        "change 1",
        "change 2",
        "change 3",
    ]
    again = replace(on_master, zuul_ref="Z" + "1" * 32)
    project.commit("master", {"other": "o"}, "master was reset", parent=project.head["mp"])
    assert world.merge(again).error is None
    assert world.subjects("org/project", published(again))[-2:] == ["master was reset", "change 4"]


def test_058_two_branches_in_one_series(world: MergerWorld, project: OriginRepo) -> None:
    project.commit("mp", {"mp": "mp\n"}, "mp commit", parent=project.head["master"])
    a = project.change({"A": "a"}, mode=MergeMode.CHERRY_PICK)
    b = project.change({"B": "b"}, branch="mp", mode=MergeMode.CHERRY_PICK)
    c = project.change({"C": "c"}, mode=MergeMode.CHERRY_PICK)
    answers = [world.merge(a), world.merge(a, b), world.merge(a, b, c)]
    assert world.subjects("org/project", published(a)) == ["initial commit", "change 1"]
    assert world.subjects("org/project", published(b)) == [
        "initial commit",
        "mp commit",
        "change 2",
    ]
    assert world.subjects("org/project", published(c))[-2:] == ["change 1", "change 3"]
    assert len({answer.commit for answer in answers}) == 3
    # Every name stands in every line at or ahead of it, and nowhere else.
    assert world.refs("org/project") == {
        published(a),
        published(a, b),
        published(b),
        published(b, c),
        published(c),
    }


def test_059_conflict_names_the_change(world: MergerWorld, project: OriginRepo) -> None:
    a = project.change({"conflict": "a\n"})
    b = project.change({"conflict": "b\n"})
    c = project.change({"C": "c\n"})
    answer = world.merge(a, b)
    assert answer.commit is None
    assert answer.conflict == ConflictingItem("org/project", "2", "1")
    assert "conflict" in str(answer.error)
    assert world.merge(a, c).error is None
    assert world.files("org/project", published(c)) == {"README", "conflict", "C"}


def test_060_two_projects(world: MergerWorld, project: OriginRepo, tmp_path: Path) -> None:
    other = OriginRepo(tmp_path / "origin", "org/project2")
    a, b = project.changes("AB")
    c, d = other.changes("CD")
    assert world.merge(a, b, c, d).error is None
    assert world.files("org/project", published(a, c)) == {"README", "A", "B"}
    assert world.files("org/project2", published(c)) == {"README", "C"}
    assert world.files("org/project2", published(d)) == {"README", "C", "D"}
    assert world.refs("org/project2") == {published(c), published(d)}


def test_061_works_after_repack_and_large_files(world: MergerWorld, project: OriginRepo) -> None:
    large = {f"large{number}": os.urandom(2000).hex() for number in range(100)}
    a = project.change(large)
    b, c = project.changes("BC")
    assert world.merge(a).error is None
    run_git(world.git_dir / "org/project", "repack", "-a", "-d", "-q")
    run_git(world.git_dir / "org/project", "pack-refs", "--all")
    assert world.merge(b, parent=a).error is None
    run_git(world.git_dir / "org/project", "gc", "-q", "--prune=now")
    assert world.merge(c, parent=b).error is None
    assert len(world.files("org/project", published(c))) == 103


def test_062_a_file_named_head(world: MergerWorld, project: OriginRepo) -> None:
    a = project.change({"HEAD": "not the ref\n"})
    b = project.change({"B": "b\n"})
    assert world.merge(a, b).error is None
    world.merger.update(UpdateRequest(project.origin()))
    project.commit("master", {"HEAD": "in the branch now\n"}, "HEAD")
    c = project.change({"C": "c\n"})
    assert world.merge(c).error is None
    assert world.files("org/project", published(c)) == {"README", "HEAD", "C"}


def test_merge_commit_cannot_be_picked_and_empty_change_fails(
    world: MergerWorld, project: OriginRepo
) -> None:
    a = project.change({"A": "a"}, mode=MergeMode.CHERRY_PICK)
    same = project.change({"A": "a"}, mode=MergeMode.CHERRY_PICK)
    answer = world.merge(a, same)
    assert answer.conflict == ConflictingItem("org/project", "2", "1")
    assert "empty" in str(answer.error)
