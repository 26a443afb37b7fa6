"""The commits that the merger writes are, byte for byte, those that git would have written."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest

from tests.integration.merger_histories import ENVIRONMENT, run_git
from tests.integration.merger_world import OriginRepo
from zuul.lib.git import Git, Limits
from zuul.merger.combine import Combined, Combiner
from zuul.merger.commits import CommitWriter, Identity
from zuul.model.layout import MergeMode

pytestmark = pytest.mark.integration

NOW = 1_500_000_000


@pytest.fixture
def project(tmp_path: Path) -> OriginRepo:
    return OriginRepo(tmp_path / "origin", "org/project.git")


def commit_by_git(clone: Path, onto: str, refspec: str, command: list[str]) -> str:
    run_git(clone, "checkout", "-q", "--detach", onto)
    run_git(clone, "fetch", "-q", "origin", refspec)
    run_git(clone, *command, "FETCH_HEAD")
    return run_git(clone, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("mode", "command"),
    [
        (MergeMode.MERGE, ["merge", "-q", "--no-edit"]),
        (MergeMode.MERGE_RESOLVE, ["merge", "-q", "--no-edit", "-s", "resolve"]),
        (MergeMode.CHERRY_PICK, ["cherry-pick"]),
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_commit_is_gits_own(
    project: OriginRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: MergeMode,
    command: list[str],
    behind: bool,
) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setitem(ENVIRONMENT, f"GIT_{who}_DATE", f"{NOW} +0000")
    old_head = project.head["master"]
    if behind:
        project.commit("master", {"landed": "x"}, "landed")
    item = project.change({"A": "a"}, parent=old_head, mode=mode)
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", project.url, str(clone))
    expected = commit_by_git(clone, project.head["master"], item.refspec, command)
    repository = pygit2.Repository(str(clone))
    writer = CommitWriter(repository, Identity("Ann", "ann@example.com"), lambda: NOW)
    combiner = Combiner(repository, Git(clone), writer, Limits())
    change = pygit2.Oid(hex=run_git(clone, "rev-parse", "FETCH_HEAD"))
    onto = pygit2.Oid(hex=project.head["master"])
    result = combiner.combine(mode, onto, change, item.refspec, project.url)
    repository.free()
    assert isinstance(result, Combined)
    assert str(result.commit) == expected


def test_picked_commit_keeps_author_and_becomes_utf8(project: OriginRepo, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", project.url, str(clone))
    tree = run_git(clone, "rev-parse", "HEAD^{tree}")
    raw = (
        f"tree {tree}\nparent {project.head['master']}\nauthor J\xfcrgen <j@example.com> 1 +0530\n"
        "committer X <x@example.com> 2 +0000\nencoding ISO-8859-1\n\nGr\xfc\xdfe\n\n\ntail  \n"
    ).encode("latin-1")
    repository = pygit2.Repository(str(clone))
    picked = repository[repository.write(pygit2.enums.ObjectType.COMMIT, raw)]
    writer = CommitWriter(repository, Identity("A <b>\n", "a@b\0"), lambda: NOW)
    parent = pygit2.Oid(hex=project.head["master"])
    written = repository[writer.write_picked(pygit2.Oid(hex=tree), parent, picked)].read_raw()
    repository.free()
    assert written.decode() == (
        f"tree {tree}\nparent {parent}\nauthor J\xfcrgen <j@example.com> 1 +0530\n"
        f"committer A b <a@b> {NOW} +0000\n\nGr\xfc\xdfe\n\n\ntail  \n"
    )


def test_a_long_series_finds_the_bases_git_finds(tmp_path: Path) -> None:
    """Dependent, repeated and outdated changes on one line, against git's own merge bases."""
    project = OriginRepo(tmp_path / "origin", "p")
    old = project.head["master"]
    for number in range(3):
        project.commit("master", {f"m{number}": "x"}, f"m{number}")
    first = project.change({"A": "a"}, parent=old)
    tips = [run_git(project.path, "rev-parse", first.refspec)]
    for number in range(6):
        parent = tips[-1] if number % 2 else project.head["master"]
        item = project.change({f"f{number}": "x"}, parent=parent)
        tips.append(run_git(project.path, "rev-parse", item.refspec))
    repository = pygit2.Repository(str(project.path))
    writer = CommitWriter(repository, Identity("Ann", "ann@example.com"))
    combiner = Combiner(repository, Git(project.path), writer, Limits())
    onto = pygit2.Oid(hex=project.head["master"])
    for tip in [*tips, tips[2], tips[0]]:
        bases = combiner.ancestry.find_bases(onto, pygit2.Oid(hex=tip))
        by_git = run_git(project.path, "merge-base", "--all", str(onto), tip).split()
        assert bases.is_only == (len(by_git) == 1)
        assert str(bases.base) in by_git
        theirs = pygit2.Oid(hex=tip)
        result = combiner.combine(MergeMode.MERGE, onto, theirs, "refs/changes/1/1/1", "/x")
        assert isinstance(result, Combined)
        onto = result.commit
    repository.free()
