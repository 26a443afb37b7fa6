"""What comes with a repository or a clone runs nothing in the merger, and is looked at first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, wire
from zuul.lib.problems import ConfigError
from zuul.merger.failures import RequestInvalid
from zuul.merger.merger import MergerSettings
from zuul.merger.requests import UpdateRequest, parse_merge
from zuul.merger.server import MergeServer

pytestmark = pytest.mark.integration

HOOKS = ("post-checkout", "reference-transaction", "pre-commit", "post-merge", "pre-auto-gc")


def test_hooks_and_helpers_of_a_clone_do_not_run(
    world: MergerWorld, project: OriginRepo, tmp_path: Path
) -> None:
    trap = tmp_path / "trapped"
    assert world.merge(project.change({"A": "a\n"})).error is None
    clone = world.git_dir / "org/project"
    folder = clone / ".git" if (clone / ".git").is_dir() else clone
    script = tmp_path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    (folder / "hooks").mkdir(exist_ok=True)
    for hook in HOOKS:
        (folder / "hooks" / hook).symlink_to(script)
    for key in ("core.fsmonitor", "filter.x.smudge", "core.sshCommand"):
        run_git(clone, "config", key, str(script))
    answer = world.merge(project.change({".gitattributes": "* filter=x\n", "B": "b\n"}))
    assert answer.error is None
    # Refs move, which a hook would be told of.
    project.commit("master", {"C": "c\n"}, "moves")
    world.merger.update(UpdateRequest(project.origin()))
    assert world.merge(project.change({"D": "d\n"})).error is None
    assert not trap.exists()


def test_clones_that_others_can_write_are_refused(tmp_path: Path) -> None:
    """Whoever writes there decides what is built and merged. Zuul 2 as a daemon made them so."""
    git_dir = tmp_path / "git"
    git_dir.mkdir()
    git_dir.chmod(0o777)
    with pytest.raises(ConfigError, match=f"mode 777.*chmod go-w {git_dir}"):
        MergeServer(MergerSettings(git_dir, "Zuul", "z@e", ()), "http://m/p", "127.0.0.1", 1)
    assert list(git_dir.iterdir()) == []


@pytest.mark.parametrize("name", [".git", "..", ".GIT"])
def test_a_tree_that_would_write_into_git_is_not_fetched(
    world: MergerWorld, project: OriginRepo, name: str
) -> None:
    change = project.change({"A": "a\n"})
    assert world.merge(change).error is None
    blob = run_git(project.path, "hash-object", "-w", "--stdin", stdin=b"evil\n")
    row = f"100644 blob {blob}\tconfig\n".encode()
    inner = run_git(project.path, "mktree", stdin=row)
    tree = run_git(project.path, "mktree", stdin=f"040000 tree {inner}\t{name}\n".encode())
    parent = project.head["master"]
    author = ("-c", "user.name=Eve", "-c", "user.email=eve@example.com")
    commit = run_git(project.path, *author, "commit-tree", tree, "-p", parent, "-m", "evil")
    run_git(project.path, "update-ref", "refs/changes/66/66/1", commit)
    evil = replace(change, refspec="refs/changes/66/66/1", zuul_ref="Z66", number="66")
    answer = world.merge(evil)
    assert answer.commit is None
    assert answer.error is not None
    # The merger is none the worse for it.
    assert world.merge(project.change({"B": "b\n"})).error is None


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "-x", "..", "a/../b", ".git", "a\nb"])
def test_names_that_git_would_take_for_something_else_are_refused(
    world: MergerWorld, project: OriginRepo, name: str
) -> None:
    change = project.change({"A": "a\n"})
    odd = replace(change, branch=name)
    payloads = [odd, replace(change, origin=replace(change.origin, project=name))]
    for item in payloads:
        with pytest.raises(RequestInvalid):
            parse_merge(json.dumps({"items": [wire(item)]}).encode(), ("file",))
