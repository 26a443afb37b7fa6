"""zuul-cloner and what is in its workspace already, or comes into it with a repository."""

from __future__ import annotations

import os

import pytest

from tests.integration.cloner_site import Site
from tests.integration.merger_histories import run_git
from zuul.cloner.clonemap import parse_clonemap
from zuul.errors import CloneError

pytestmark = pytest.mark.integration


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


def test_a_used_workspace_is_as_good_as_new(site: Site) -> None:
    site.add_stable(1)
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
