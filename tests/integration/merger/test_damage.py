"""Clones that are damaged, locked or gone are made good, and lose nothing for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, published

pytestmark = pytest.mark.integration


def test_063_deleted_clone_is_made_again(world: MergerWorld, project: OriginRepo) -> None:
    a, b = project.changes("AB")
    assert world.merge(a).error is None
    (world.git_dir / "org/project/.git").rename(world.git_dir.parent / "gone")
    answer = world.merge(b, parent=a)
    assert answer.unknown_parent
    assert world.merge(a, b).error is None
    assert world.files("org/project", published(b)) == {"README", "A", "B"}


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
    a, b, c = project.changes("ABC")
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
    a, b = project.changes("AB")
    assert world.merge(a).error is None
    world.restart()
    _lock_everything(world.git_dir / "org/project/.git")
    assert world.merge(b).error is None
    assert published(a) in world.refs("org/project")


def test_damage_while_the_origin_is_away_keeps_the_clone(
    world: MergerWorld, project: OriginRepo
) -> None:
    a, b = project.changes("AB")
    assert world.merge(a, prefetch=(b,)).error is None
    _drop_objects(world.git_dir / "org/project/.git")
    project.path.rename(project.path.with_name("moved"))
    assert world.merge(b).error
    assert (world.git_dir / "org/project/.git/HEAD").is_file()
