"""What the merger makes of random histories is what git makes of them, conflicts included."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pygit2
import pytest

from tests.integration.merger_histories import Importer, edited, first_files, run_git
from zuul.errors import MergerError
from zuul.lib.git import Git, Limits
from zuul.merger.combine import Combined, Combiner
from zuul.merger.commits import CommitWriter, Identity
from zuul.merger.failures import CloneBroken
from zuul.model.layout import MergeMode

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

#: cases a mode; more of them: MERGER_CASES=1000 MERGER_SEED=1
CASES = int(os.environ.get("MERGER_CASES", "60"))
SEED = int(os.environ.get("MERGER_SEED", "0"))

COMMANDS = {
    MergeMode.MERGE: ["merge", "--no-edit", "-q"],
    MergeMode.MERGE_RESOLVE: ["merge", "--no-edit", "-q", "-s", "resolve"],
    MergeMode.CHERRY_PICK: ["cherry-pick"],
}


@dataclass
class Case:
    ours: str
    theirs: str


def write_cases(folder: Path) -> list[Case]:
    """A repository with CASES pairs of commits to merge."""
    importer = Importer()
    cases = []
    run_git(folder, "init", "-q", "--bare", ".")
    for number in range(CASES):
        rng = random.Random(f"{SEED}-{number}")
        case = Case(f"refs/case/{number}/ours", f"refs/case/{number}/theirs")
        cases.append(case)
        files = first_files(rng)
        if rng.random() < 0.15:
            attribute = rng.choice([b"f1 merge=union\n", b"*1 -merge\n", b"*.py text\n"])
            files[rng.choice(["", "a/"]) + ".gitattributes"] = ("100644", attribute)
        base = importer.commit("refs/case/base", files)
        shared = edited(files, rng, rng.choice([0, 0, 1]))
        ours = edited(shared, rng, rng.randrange(1, 5))
        theirs = edited(shared, rng, rng.randrange(1, 4))
        if rng.random() < 0.15:
            # Criss-cross: each side has merged the other's first step.
            one = importer.commit("refs/case/one", edited(files, rng, 1), (base,))
            two = importer.commit("refs/case/two", edited(files, rng, 1), (base,))
            importer.commit(case.ours, ours, (one, two))
            importer.commit(case.theirs, theirs, (two, one))
        else:
            importer.commit(case.ours, ours, (base,))
            importer.commit(case.theirs, theirs, (base,), "A change\n\nChange-Id: I1\n")
    importer.write_to(folder)
    return cases


def tree_by_git(work_tree: Path, mode: MergeMode, case: Case) -> str | None:
    """What the command line makes of it; None: it refuses, or crashes, as some releases do."""
    for lock in work_tree.parent.glob("repo.git/worktrees/*/index.lock"):
        lock.unlink()
    run_git(work_tree, "reset", "-q", "--hard")
    run_git(work_tree, "clean", "-q", "-x", "-f", "-d")
    run_git(work_tree, "checkout", "-q", "-f", "--detach", case.ours)
    before = run_git(work_tree, "rev-parse", "HEAD")
    run_git(work_tree, *COMMANDS[mode], case.theirs, check=False)
    after = run_git(work_tree, "rev-parse", "HEAD")
    run_git(work_tree, "cherry-pick", "--quit", check=False)
    return None if after == before else run_git(work_tree, "rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("mode", list(MergeMode))
def test_trees_and_conflicts_are_those_of_git(mode: MergeMode, tmp_path: Path) -> None:
    bare = tmp_path / "repo.git"
    bare.mkdir()
    cases = write_cases(bare)
    run_git(bare, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"), cases[0].ours)
    repository = pygit2.Repository(str(bare))
    writer = CommitWriter(repository, Identity("Zuul", "zuul@example.com"))
    combiner = Combiner(repository, Git(bare), writer, Limits())
    different, merged = [], 0
    for number, case in enumerate(cases):
        expected = tree_by_git(tmp_path / "tree", mode, case)
        result: object
        try:
            result = combiner.combine(
                mode,
                repository.revparse_single(case.ours).id,
                repository.revparse_single(case.theirs).id,
                "refs/changes/01/1/1",
                "file:///x",
            )
        except CloneBroken:
            raise
        except MergerError as error:
            result = error
        found = str(repository[result.commit].tree_id) if isinstance(result, Combined) else None
        merged += expected is not None
        if found != expected:
            different.append((number, found, expected, result))
    repository.free()
    assert different == []
    assert CASES // 10 < merged < CASES, "the cases are all too easy or all too hard"
