"""A merger's series of changes, on real repositories (contract zuul.md 12.6)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import (
    MergerWorld,
    OriginRepo,
    merger_world,
    published,
)
from zuul.errors import MergerError
from zuul.merger.requests import ConflictingItem, HeadRequest, MergeItem, UpdateRequest
from zuul.model.layout import MergeMode

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MergerWorld]:
    with merger_world(tmp_path) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> OriginRepo:
    return OriginRepo(tmp_path / "origin", "org/project")


def three_changes(project: OriginRepo, mode: MergeMode = MergeMode.CHERRY_PICK) -> list[MergeItem]:
    return [project.change({name: f"{name}\n"}, mode=mode) for name in "ABC"]


def test_056_history_of_the_last_ref(world: MergerWorld, project: OriginRepo) -> None:
    a, b, c = three_changes(project)
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
    a, b, c = three_changes(project, mode)
    assert world.merge(a, b, c).error is None
    assert world.files("org/project", published(a)) == {"README", "A"}
    assert world.files("org/project", published(c)) == {"README", "A", "B", "C"}


def test_057_branches_back_and_forth_and_reset(world: MergerWorld, project: OriginRepo) -> None:
    project.commit("mp", {"mp": "mp\n"}, "mp commit", parent=project.head["master"])
    on_mp = [project.change({n: n}, branch="mp", mode=MergeMode.CHERRY_PICK) for n in "ABC"]
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
    a, b = (project.change({name: name}) for name in "AB")
    c, d = (other.change({name: name}) for name in "CD")
    assert world.merge(a, b, c, d).error is None
    assert world.files("org/project", published(a, c)) == {"README", "A", "B"}
    assert world.files("org/project2", published(c)) == {"README", "C"}
    assert world.files("org/project2", published(d)) == {"README", "C", "D"}
    assert world.refs("org/project2") == {published(c), published(d)}


def test_061_works_after_repack_and_large_files(world: MergerWorld, project: OriginRepo) -> None:
    large = {f"large{number}": os.urandom(2000).hex() for number in range(100)}
    a = project.change(large)
    b, c = (project.change({name: name}) for name in "BC")
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


def test_063_deleted_clone_is_made_again(world: MergerWorld, project: OriginRepo) -> None:
    a, b = (project.change({name: name}) for name in "AB")
    assert world.merge(a).error is None
    (world.git_dir / "org/project/.git").rename(world.git_dir.parent / "gone")
    answer = world.merge(b, parent=a)
    assert answer.unknown_parent
    assert world.merge(a, b).error is None
    assert world.files("org/project", published(b)) == {"README", "A", "B"}


def test_066_clone_below_another_clone(
    world: MergerWorld, project: OriginRepo, tmp_path: Path
) -> None:
    inner = OriginRepo(tmp_path / "inner", "org/project/sub")
    a = project.change({"A": "a"})
    b = inner.change({"B": "b"})
    for first, second in ((a, b), (b, a)):
        assert world.merge(first, second).error is None
        world.merger.update(UpdateRequest(project.origin()))
        for each in (project, inner):
            url = run_git(world.git_dir / each.project, "config", "remote.origin.url")
            assert url == each.url


def test_066_inner_clone_may_come_first(
    world: MergerWorld, project: OriginRepo, tmp_path: Path
) -> None:
    inner = OriginRepo(tmp_path / "inner", "org/project/sub")
    assert world.merge(inner.change({"B": "b"})).error is None
    assert world.merge(project.change({"A": "a"})).error is None
    assert (world.git_dir / "org/project/sub/.git").is_dir()


# -- building on earlier results


def test_an_item_on_a_known_parent_is_one_merge(world: MergerWorld, project: OriginRepo) -> None:
    items = [project.change({f"f{number}": "x"}) for number in range(5)]
    assert world.merge(items[0]).error is None
    for ahead, item in pairwise(items):
        answer = world.merge(item, parent=ahead)
        assert answer.error is None
    whole = world.merge(*[replace(item, zuul_ref=f"Z9{n}") for n, item in enumerate(items)])
    assert whole.tree == answer.tree
    assert whole.base_tree == answer.base_tree


def test_unknown_parent_after_a_restart_then_reuse(world: MergerWorld, project: OriginRepo) -> None:
    a, b, c = (project.change({name: name}) for name in "ABC")
    assert world.merge(a).error is None
    first = world.merge(b, parent=a)
    world.restart()
    answer = world.merge(c, parent=b)
    assert answer.unknown_parent
    assert answer.commit is None
    again = world.merge(a, b)
    assert again.commit == first.commit, "what is published is reused, not merged again"
    assert world.merge(c, parent=b).error is None


def test_a_series_begins_on_the_fresh_head(world: MergerWorld, project: OriginRepo) -> None:
    old_head = project.head["master"]
    assert world.merge(project.change({"A": "a"})).error is None
    project.commit("master", {"landed": "yes"}, "landed")
    b = project.change({"B": "b"}, parent=old_head)
    assert world.merge(b).error is None
    assert world.files("org/project", published(b)) == {"README", "landed", "B"}


def test_changes_fetched_once_are_not_fetched_again(
    world: MergerWorld, project: OriginRepo
) -> None:
    a, b, c = (project.change({name: name}) for name in "ABC")
    assert world.merge(a, prefetch=(b, c)).error is None
    # With the origin gone only what is here already can be merged.
    project.path.rename(project.path.with_name("moved"))
    assert world.merge(b, parent=a).error is None
    assert world.merge(c, parent=b).error is None
    reset = replace(c, zuul_ref="Zreset")
    assert world.merge(reset, parent=a).error is None
    assert world.files("org/project", published(reset)) == {"README", "A", "C"}


def test_a_wrong_prefetch_does_no_harm(world: MergerWorld, project: OriginRepo) -> None:
    a = project.change({"A": "a"})
    missing = replace(a, refspec="refs/changes/99/99/9")
    assert world.merge(a, prefetch=(missing,)).error is None


# -- what is missing, gone or in the way


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


def test_merge_commit_cannot_be_picked_and_empty_change_fails(
    world: MergerWorld, project: OriginRepo
) -> None:
    a = project.change({"A": "a"}, mode=MergeMode.CHERRY_PICK)
    same = project.change({"A": "a"}, mode=MergeMode.CHERRY_PICK)
    answer = world.merge(a, same)
    assert answer.conflict == ConflictingItem("org/project", "2", "1")
    assert "empty" in str(answer.error)


# -- damage


def _truncate_pack(git: Path) -> None:
    for pack in (git / "objects/pack").glob("*.pack"):
        # Replaced, not cut: to cut a file that a process has mapped would kill it.
        draft = pack.with_suffix(".new")
        draft.write_bytes(pack.read_bytes()[:40])
        draft.replace(pack)


def _drop_objects(git: Path) -> None:
    for file in (git / "objects").rglob("*"):
        if file.is_file():
            file.unlink()


def _empty_head(git: Path) -> None:
    (git / "HEAD").write_text("")


def _garble_head(git: Path) -> None:
    (git / "HEAD").write_text("garbage\n")


def _garble_config(git: Path) -> None:
    (git / "config").write_text("[core\nnot = a [config")


def _garble_branch(git: Path) -> None:
    (git / "packed-refs").unlink(missing_ok=True)
    (git / "refs/heads/master").write_text("garbage\n")


def _lock_everything(git: Path) -> None:
    for name in ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"):
        (git / name).touch()
    (git / "refs/heads/master.lock").touch()


def _make_it_a_file(git: Path) -> None:
    git.rename(git.with_name("elsewhere"))
    git.write_text("gitdir: /nonexistent\n")


_DAMAGES = [
    _truncate_pack,
    _empty_head,
    _garble_head,
    _garble_config,
    _garble_branch,
    _lock_everything,
    _make_it_a_file,
]


@pytest.mark.parametrize(
    ("damage", "restart"),
    [
        *((damage, restart) for damage in _DAMAGES for restart in (False, True)),
        # Packs that a process has mapped live on for it: this shows when they are opened next.
        (_drop_objects, True),
    ],
)
def test_damaged_clone_is_repaired(
    world: MergerWorld,
    project: OriginRepo,
    damage: Callable[[Path], None],
    restart: bool,
) -> None:
    a, b, c = (project.change({name: name}) for name in "ABC")
    assert world.merge(a, b).error is None
    run_git(world.git_dir / "org/project", "repack", "-adq")
    project.commit("master", {"landed": "x"}, "landed")
    if restart:
        world.restart()
    damage(world.git_dir / "org/project/.git")
    new = [replace(item, zuul_ref=f"Zafter{n}") for n, item in enumerate((a, b, c))]
    answer = world.merge(*new)
    assert answer.error is None
    assert world.files("org/project", published(new[2])) >= {"landed", "A", "B", "C"}
    # Whole, as a build would fetch it.
    copy = world.git_dir.parent / "copy.git"
    run_git(world.git_dir.parent, "init", "-q", "--bare", str(copy))
    served = str(world.git_dir / "org/project")
    run_git(copy, "fetch", "-q", served, f"{published(new[2])}:refs/heads/tested")
    assert "initial commit" in run_git(copy, "log", "--format=%s", "tested")


def test_a_lock_left_behind_costs_no_published_refs(
    world: MergerWorld, project: OriginRepo
) -> None:
    a, b = (project.change({name: name}) for name in "AB")
    assert world.merge(a).error is None
    world.restart()
    _lock_everything(world.git_dir / "org/project/.git")
    assert world.merge(b).error is None
    assert published(a) in world.refs("org/project")


def test_damage_while_the_origin_is_away_keeps_the_clone(
    world: MergerWorld, project: OriginRepo
) -> None:
    a, b = (project.change({name: name}) for name in "AB")
    assert world.merge(a, prefetch=(b,)).error is None
    _drop_objects(world.git_dir / "org/project/.git")
    project.path.rename(project.path.with_name("moved"))
    assert world.merge(b).error
    assert (world.git_dir / "org/project/.git/HEAD").is_file()


# -- names


@pytest.mark.parametrize(
    "name", ["with space/p", "quo'te\"d", "ünï/cødé", "semi;colon$(x)`y`", "a#b", "x.git"]
)
def test_odd_project_names_are_data(world: MergerWorld, tmp_path: Path, name: str) -> None:
    odd = OriginRepo(tmp_path / "origin", name)
    answer = world.merge(odd.change({"A": "a"}), odd.change({"B": "b"}))
    assert answer.error is None
    assert (world.git_dir / name / ".git").is_dir()


@pytest.mark.parametrize("branch", ['zzz";echo${IFS}"hello";#', "a'b", "ünï/cødé", "@x", "a$(b)"])
def test_odd_branch_names_are_data(world: MergerWorld, project: OriginRepo, branch: str) -> None:
    project.commit(branch, {"b": "b"}, "odd", parent=project.head["master"])
    a, b = (project.change({name: name}, branch=branch) for name in "AB")
    assert world.merge(a).error is None
    assert world.merge(b, parent=a).error is None
    assert world.files("org/project", published(b)) == {"README", "b", "A", "B"}


def test_a_link_out_of_git_dir_is_refused(
    world: MergerWorld, project: OriginRepo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.git_dir / "org").symlink_to(outside)
    assert "leads out of git_dir" in str(world.merge(project.change({"A": "a"})).error)
    assert list(outside.iterdir()) == []
