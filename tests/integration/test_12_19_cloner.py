"""zuul-cloner on what a merger really published (contract zuul.md 12.19); git does all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, merger_world, published
from tests.support.processes import find_free_port
from zuul.cloner.clonemap import parse_clonemap
from zuul.cloner.cloner import Cloner
from zuul.cloner.plan import CloneRequest
from zuul.cmd.cloner import main
from zuul.errors import CloneError
from zuul.lib.git import Limits
from zuul.merger.requests import MergeItem

pytestmark = pytest.mark.integration

LIMITS = Limits(clone_seconds=60, fetch_seconds=30, local_seconds=30)
PROJECTS = ("org/project1", "org/project2", "org/project3", "org/project4")


class Site:
    """Origins of four projects, a merger, and a job that clones."""

    def __init__(self, folder: Path, world: MergerWorld) -> None:
        self.folder = folder
        self.world = world
        self.upstream = folder / "upstream"
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.origins = {name: OriginRepo(self.upstream, name) for name in PROJECTS}
        self.slept: list[float] = []

    def merge(self, *items: MergeItem) -> dict[str, str]:
        """What a build of the last of these changes has in its environment."""
        answer = self.world.merge(*items)
        assert answer.error is None
        item = items[-1]
        return {
            "zuul_url": str(self.world.git_dir),
            "zuul_project": item.origin.project,
            "zuul_branch": item.branch,
            "zuul_ref": published(item),
        }

    def clone(self, *projects: str, **more: Any) -> None:
        options = {key: more.pop(key) for key in ("cache", "clone_map") if key in more}
        request = CloneRequest(str(self.upstream), projects or PROJECTS, **more)
        Cloner(
            request, self.workspace, limits=LIMITS, sleep=self.slept.append, **options
        ).clone_all()

    def git(self, place: str, *arguments: str) -> str:
        return run_git(self.workspace / place, *arguments)

    def heads(self, *places: str) -> list[str]:
        return [self.git(place, "rev-parse", "HEAD") for place in places or PROJECTS]

    def files(self, place: str) -> set[str]:
        return {each.name for each in (self.workspace / place).iterdir()} - {".git"}

    def head_of(self, number: int, branch: str = "master") -> str:
        return self.origins[f"org/project{number}"].head[branch]

    def made(self, ref: str, number: int) -> str:
        """The commit that the merger published."""
        return run_git(self.world.git_dir / f"org/project{number}", "rev-parse", ref)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with merger_world(tmp_path) as world:
        yield Site(tmp_path, world)


def add_stable(site: Site, *numbers: int) -> None:
    for number in numbers:
        origin = site.origins[f"org/project{number}"]
        origin.commit("stable/havana", {"stable": "s\n"}, "stable", parent=origin.head["master"])


def test_143_cache_dir(site: Site) -> None:
    cache = site.folder / "cache"
    for name in PROJECTS[:2]:
        run_git(site.folder, "clone", "-q", "--bare", str(site.upstream / name), str(cache / name))
    a = site.origins["org/project1"].change({"A": "a\n"})
    upstream = site.origins["org/project2"].commit("master", {"N": "n\n"}, "newer than the cache")
    said = site.merge(a)
    site.clone(*PROJECTS[:2], cache=cache, **said)
    assert site.heads(*PROJECTS[:2]) == [site.made(said["zuul_ref"], 1), upstream]
    origins = [site.git(name, "config", "remote.origin.url") for name in PROJECTS[:2]]
    assert origins == [f"{site.world.git_dir}/org/project1", f"{site.upstream}/org/project2"]
    for name in PROJECTS[:2]:
        assert str(cache) not in (site.workspace / name / ".git" / "config").read_text()
        assert not (site.workspace / name / ".git" / "objects" / "info" / "alternates").exists()


def test_143_a_cache_that_is_broken_is_passed_over(site: Site) -> None:
    cache = site.folder / "cache"
    (cache / "org/project1").mkdir(parents=True)
    site.clone("org/project1", cache=cache)
    assert site.heads("org/project1") == [site.head_of(1)]


def test_144_one_branch_with_two_queued_changes(site: Site) -> None:
    a = site.origins["org/project1"].change({"A": "a\n"})
    b = site.origins["org/project2"].change({"B": "b\n"})
    first, second = site.merge(a), site.merge(a, b)
    site.clone(*PROJECTS[:2], **first)
    assert site.heads(*PROJECTS[:2]) == [site.made(first["zuul_ref"], 1), site.head_of(2)]
    assert (site.files(PROJECTS[0]), site.files(PROJECTS[1])) == ({"README", "A"}, {"README"})
    site.clone(*PROJECTS[:2], **second)
    assert site.heads(*PROJECTS[:2]) == [
        site.made(second["zuul_ref"], 1),
        site.made(second["zuul_ref"], 2),
    ]
    assert (site.files(PROJECTS[0]), site.files(PROJECTS[1])) == ({"README", "A"}, {"README", "B"})


def test_145_several_branches(site: Site) -> None:
    add_stable(site, 2, 4)
    a = site.origins["org/project1"].change({"A": "a\n"})
    b = site.origins["org/project2"].change({"B": "b\n"}, branch="stable/havana")
    c = site.origins["org/project3"].change({"C": "c\n"})
    of_a, of_b, of_c = site.merge(a), site.merge(a, b), site.merge(a, b, c)
    site.clone(**of_a)
    assert site.heads() == [
        site.made(of_a["zuul_ref"], 1),
        *(site.head_of(number) for number in (2, 3, 4)),
    ]
    site.clone(**of_b)
    assert site.heads() == [
        site.made(published(a, by=b), 1),
        site.made(of_b["zuul_ref"], 2),
        site.head_of(3),
        site.head_of(4, "stable/havana"),
    ]
    site.clone(**of_c)
    assert site.heads() == [
        site.made(published(a, by=c), 1),
        site.head_of(2),
        site.made(of_c["zuul_ref"], 3),
        site.head_of(4),
    ]


def test_146_upgrade(site: Site) -> None:
    """The old side of an upgrade test, then the new one, of two changes in one queue."""
    add_stable(site, 1, 2, 3)
    a = site.origins["org/project1"].change({"A": "a\n"})
    b = site.origins["org/project2"].change({"B": "b\n"}, branch="stable/havana")
    d = site.origins["org/project4"].change({"D": "d\n"})
    said = site.merge(a, b, d)
    stable = said["zuul_ref"].replace("master", "stable/havana")
    site.clone(branch="stable/havana", **said)
    assert site.heads() == [
        site.head_of(1, "stable/havana"),
        site.made(stable, 2),
        site.head_of(3, "stable/havana"),
        site.made(said["zuul_ref"], 4),
    ]
    site.clone(branch="master", **said)
    assert site.heads() == [
        site.made(published(a, by=d), 1),
        site.head_of(2),
        site.head_of(3),
        site.made(said["zuul_ref"], 4),
    ]


def test_147_project_branches_beat_the_wanted_branch(site: Site) -> None:
    add_stable(site, 1, 4)
    a = site.origins["org/project1"].change({"A": "a\n"}, branch="stable/havana")
    said = site.merge(a)
    site.clone(project_branches={"org/project4": "master"}, **said)
    assert site.heads("org/project1", "org/project4") == [
        site.made(said["zuul_ref"], 1),
        site.head_of(4),
    ]
    site.clone(branch="stable/havana", project_branches={"org/project4": "master"})
    assert site.heads("org/project1", "org/project4") == [
        site.head_of(1, "stable/havana"),
        site.head_of(4),
    ]


def test_148_periodic(site: Site) -> None:
    add_stable(site, 1, 2)
    said = {"zuul_url": str(site.world.git_dir), "zuul_project": "org/project3"}
    site.clone(*PROJECTS[:2])
    assert site.heads(*PROJECTS[:2]) == [site.head_of(1), site.head_of(2)]
    newer = site.origins["org/project1"].commit("stable/havana", {"x": "x\n"}, "newer")
    site.clone(*PROJECTS[:2], branch="stable/havana", **said)
    assert site.heads(*PROJECTS[:2]) == [newer, site.head_of(2, "stable/havana")]


def test_149_post(site: Site) -> None:
    first = site.head_of(1)
    for name in PROJECTS[:2]:
        site.origins[name].commit("master", {"late": "l\n"}, "later")
    assert site.world.merge(site.origins["org/project1"].change({"A": "a\n"})).error is None
    said = {
        "zuul_url": str(site.world.git_dir),
        "zuul_project": "org/project1",
        "zuul_ref": "master",
        "zuul_newrev": first,
    }
    site.clone(*PROJECTS[:2], **said)
    assert site.heads(*PROJECTS[:2]) == [first, site.head_of(2)]
    with pytest.raises(CloneError, match=r"the revision 1{40} is not there"):
        site.clone(*PROJECTS[:2], **(said | {"zuul_newrev": "1" * 40}))


def test_150_a_map_with_the_root_of_the_workspace(site: Site) -> None:
    text = r"""
        clonemap:
          - {name: org/project1, dest: .}
          - {name: 'org/(project2)', dest: 'libs/\1'}
    """
    site.clone(*PROJECTS[:2], clone_map=parse_clonemap(text, "map"))
    # a second run cleans the outer work tree, and leaves the clone inside it
    (site.workspace / "rubbish").write_text("x")
    site.clone(*PROJECTS[:2], clone_map=parse_clonemap(text, "map"))
    assert site.files(".") == {"README", "libs"}
    assert site.heads(".", "libs/project2") == [site.head_of(1), site.head_of(2)]


# -- the command ---------------------------------------------------------------------------------


def test_the_command_reads_the_environment(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said = site.merge(site.origins["org/project1"].change({"A": "a\n"}))
    environment = {key.upper(): value for key, value in said.items()}
    arguments = ["--workspace", str(site.workspace), str(site.upstream), *PROJECTS[:2]]
    assert main(arguments, environment) == 0
    assert site.heads("org/project1") == [site.made(said["zuul_ref"], 1)]
    capsys.readouterr()


def test_the_command_says_what_is_wrong(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    arguments = ["--workspace", str(site.workspace), str(site.upstream), "org/nosuch"]
    assert main(arguments, {}) == 1
    assert "org/nosuch: " in caplog.records[-1].getMessage()


# -- what may not happen -------------------------------------------------------------------------


def test_the_change_under_test_may_not_be_missed(site: Site) -> None:
    said = site.merge(site.origins["org/project1"].change({"A": "a\n"}))
    run_git(site.world.git_dir / "org/project1", "update-ref", "-d", said["zuul_ref"])
    with pytest.raises(CloneError, match="what is to be tested is gone"):
        site.clone("org/project1", **said)


def test_a_merger_that_cannot_be_reached_is_an_error(site: Site) -> None:
    """To go on without its refs would be to test something else."""
    said = site.merge(site.origins["org/project1"].change({"A": "a\n"}))
    said["zuul_url"] = f"http://127.0.0.1:{find_free_port()}/p"
    with pytest.raises(
        CloneError, match=r"org/project2: cannot fetch refs/zuul/.*unable to access"
    ):
        site.clone("org/project2", **said)
    assert site.slept == [2.0, 10.0]


def test_a_merger_without_the_project_is_none(site: Site) -> None:
    said = site.merge(site.origins["org/project1"].change({"A": "a\n"}))
    site.clone("org/project4", **said)
    assert (site.heads("org/project4"), site.slept) == ([site.head_of(4)], [])


def test_an_origin_without_master(site: Site) -> None:
    OriginRepo(site.upstream, "org/modern", branch="main")
    site.clone("org/modern", branch="stable/havana")
    assert site.git("org/modern", "log", "--format=%s") == "initial commit"


def test_an_origin_without_commits(site: Site) -> None:
    (site.upstream / "org/empty").mkdir()
    run_git(site.upstream / "org/empty", "init", "-q", "--bare", ".")
    with pytest.raises(CloneError, match="the origin has no branch master"):
        site.clone("org/empty")


def test_links_of_another_clone_lead_nowhere(site: Site) -> None:
    outside = site.folder / "outside"
    outside.mkdir()
    (site.workspace / "org").symlink_to(outside)
    with pytest.raises(CloneError, match="leads out of the workspace"):
        site.clone("org/project1")
    assert list(outside.iterdir()) == []


def test_links_lead_into_no_other_clone(site: Site) -> None:
    site.clone("org/project1")
    hooks = site.workspace / "org/project1/.git/hooks"
    hooks.mkdir()
    (site.workspace / "lib").symlink_to("org/project1/.git")
    clone_map = parse_clonemap("clonemap: [{name: org/project2, dest: lib/hooks}]", "map")
    with pytest.raises(CloneError, match="leads into the files of another clone"):
        site.clone("org/project2", clone_map=clone_map)
    assert list(hooks.iterdir()) == []


def test_a_folder_with_files_is_left_alone(site: Site) -> None:
    folder = site.workspace / "org/project1"
    folder.mkdir(parents=True)
    (folder / "notes").write_text("mine")
    with pytest.raises(CloneError, match="is not empty, and no clone"):
        site.clone("org/project1")
    assert (folder / "notes").read_text() == "mine"


def test_nothing_of_a_repository_is_run(site: Site) -> None:
    """A hook left in the workspace by an earlier build."""
    site.clone("org/project1")
    hooks = site.workspace / "org/project1/.git/hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {site.folder}/ran\n")
        (hooks / name).chmod(0o755)
    site.origins["org/project1"].commit("master", {"x": "x\n"}, "newer")
    site.clone("org/project1")
    assert site.heads("org/project1") == [site.head_of(1)]
    assert not (site.folder / "ran").exists()


# -- a workspace that is used again ---------------------------------------------------------------


def test_a_used_workspace_is_as_good_as_new(site: Site) -> None:
    add_stable(site, 1)
    origin = site.origins["org/project1"]
    origin.commit("master", {".gitignore": "*.pyc\n"}, "ignore")
    origin.commit("gone", {"x": "x\n"}, "gone", parent=origin.head["master"])
    site.clone("org/project1")
    folder = site.workspace / "org/project1"
    run_git(folder, "checkout", "-q", "gone")
    (folder / "README").write_text("changed")
    (folder / "new").mkdir()
    for name in ("new/file", "module.pyc"):
        (folder / name).write_text("x")
    for lock in ("index", "refs/heads/gone", "refs/remotes/origin/gone"):
        (folder / ".git" / f"{lock}.lock").touch()
    run_git(origin.path, "update-ref", "-d", "refs/heads/gone")
    # a name that nests under that of the branch which was there
    origin.commit("gone/again", {"y": "y\n"}, "again", parent=origin.head["master"])
    site.clone("org/project1", branch="gone/again")
    assert site.heads("org/project1") == [origin.head["gone/again"]]
    assert site.files("org/project1") == {"README", ".gitignore", "y"}
    assert site.git("org/project1", "status", "--porcelain") == ""
    branches = site.git("org/project1", "for-each-ref", "--format=%(refname:short)", "refs/heads")
    assert branches.split() == ["gone/again", "master", "stable/havana"]


def test_an_index_that_was_left_half_written(site: Site) -> None:
    site.clone("org/project1")
    (site.workspace / "org/project1/.git/index").write_bytes(b"DIRC\0\0")
    newer = site.origins["org/project1"].commit("master", {"x": "x\n"}, "newer")
    site.clone("org/project1")
    assert site.heads("org/project1") == [newer]
    assert site.git("org/project1", "status", "--porcelain") == ""


def test_a_file_named_head(site: Site) -> None:
    site.origins["org/project1"].commit("master", {"HEAD": "x\n", "FETCH_HEAD": "y\n"}, "heads")
    site.clone("org/project1")
    site.clone("org/project1")
    assert site.files("org/project1") == {"HEAD", "FETCH_HEAD", "README"}
    assert site.heads("org/project1") == [site.head_of(1)]


def test_an_existing_clone_follows_its_origin(site: Site) -> None:
    site.clone("org/project1")
    said = site.merge(site.origins["org/project1"].change({"A": "a\n"}))
    site.clone("org/project1", **said)
    assert site.git("org/project1", "config", "remote.origin.url") == (
        f"{site.world.git_dir}/org/project1"
    )
    assert os.path.isdir(site.workspace / "org/project1/.git")
