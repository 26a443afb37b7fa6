"""zuul-cloner on what a merger really published (contract zuul.md 12.19); git does all of it."""

from __future__ import annotations

import pytest

from tests.integration.cloner_site import PROJECTS, Site
from tests.integration.merger_histories import run_git
from tests.integration.merger_world import OriginRepo, published
from tests.support.processes import find_free_port
from zuul.cloner.clonemap import parse_clonemap
from zuul.cmd.cloner import main
from zuul.errors import CloneError

pytestmark = pytest.mark.integration


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
    site.add_stable(2, 4)
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
    site.add_stable(1, 2, 3)
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
    site.add_stable(1, 4)
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
    site.add_stable(1, 2)
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
