"""Names of projects and branches are data, and lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, published
from zuul.merger.requests import UpdateRequest

pytestmark = pytest.mark.integration


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
    a, b = project.changes("AB", branch=branch)
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
