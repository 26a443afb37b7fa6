"""Ways of merging a series, the merger's and git's; each returns the seconds and the last tree."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.merge.origin import git, refspec
from zuul.merger.merger import Merger, MergerSettings
from zuul.merger.requests import MergeItem, MergeRequest, Origin, Prefetch
from zuul.model.layout import MergeMode


@dataclass(frozen=True)
class Series:
    """What is to be merged, and where clones may be made."""

    origin: Path
    changes: int
    scratch: Path
    mode: MergeMode = MergeMode.MERGE_RESOLVE

    @property
    def strategy(self) -> list[str]:
        return ["-s", "resolve"] if self.mode is MergeMode.MERGE_RESOLVE else []

    def items(self, generation: int) -> list[MergeItem]:
        origin = Origin("org/project", str(self.origin), "")
        return [
            MergeItem(
                origin,
                self.mode,
                refspec(number),
                "master",
                f"Z{generation:08}{number:024}",
                str(number),
                "1",
            )
            for number in range(1, self.changes + 1)
        ]


@dataclass(frozen=True)
class Measured:
    seconds: float
    #: CPU, this process and its children
    own_seconds: float
    child_seconds: float
    tree: str


def measure(work: Callable[[], str]) -> Measured:
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    begun = time.perf_counter()
    tree = work()
    seconds = time.perf_counter() - begun
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, child = (
        b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime
        for a, b in zip(before, after, strict=True)
    )
    return Measured(seconds, own, child, tree)


def _merger(series: Series) -> Merger:
    folder = Path(tempfile.mkdtemp(prefix="merger", dir=series.scratch))
    return Merger(MergerSettings(folder, "a", "a@example.com", protocols=frozenset({"file"})))


def _one_by_one(merger: Merger, items: list[MergeItem], prefetch: bool) -> str:
    """As the scheduler asks: one request an item, naming its parent."""
    hints = [Prefetch(item.origin.project, item.refspec) for item in items] if prefetch else []
    parent, tree = None, None
    for position, item in enumerate(items):
        waiting = tuple(hints[1:]) if position == 0 else ()
        answer = merger.merge(MergeRequest((item,), parent, waiting))
        assert answer.error is None, answer
        parent, tree = item.zuul_ref, answer.tree
    return str(tree)


def ours_first_time(series: Series) -> Measured:
    """Nothing fetched yet; the first request names the changes of those behind it."""
    merger = _merger(series)
    warm_up(merger, series)
    measured = measure(lambda: _one_by_one(merger, series.items(1), prefetch=True))
    merger.close()
    return measured


def ours_fetch_each(series: Series) -> Measured:
    """Nothing fetched yet and no hints: one git fetch an item."""
    merger = _merger(series)
    warm_up(merger, series)
    measured = measure(lambda: _one_by_one(merger, series.items(1), prefetch=False))
    merger.close()
    return measured


def ours_after_reset(series: Series) -> Measured:
    """The changes are here from an earlier round: what follows a failure at the head."""
    merger = _merger(series)
    _one_by_one(merger, series.items(1), prefetch=True)
    measured = measure(lambda: _one_by_one(merger, series.items(2), prefetch=False))
    merger.close()
    return measured


def ours_one_request(series: Series) -> Measured:
    """The whole series in one request, as after a merger's restart."""
    merger = _merger(series)
    warm_up(merger, series)
    measured = measure(lambda: str(merger.merge(MergeRequest(tuple(series.items(1)))).tree))
    merger.close()
    return measured


def warm_up(merger: Merger, series: Series) -> None:
    """Clone, so that no method is charged for it."""
    assert merger.merge(MergeRequest((series.items(9)[0],))).error is None


def git_cold_call(series: Series) -> Measured:
    """The commands that one call of the original's merger runs for a series, item by item."""
    clone = Path(tempfile.mkdtemp(prefix="cli", dir=series.scratch)) / "clone"
    git(series.scratch, "clone", "-q", str(series.origin), str(clone))

    def work() -> str:
        base = git(clone, "rev-parse", "origin/master")
        for number in range(1, series.changes + 1):
            git(clone, "fetch", "-q", "origin", refspec(number))
            git(clone, "reset", "-q", "--hard", base, "--")
            git(clone, "merge", "-q", "--no-edit", *series.strategy, "FETCH_HEAD")
            base = git(clone, "rev-parse", "HEAD")
            git(clone, "update-ref", f"refs/zuul/master/Z{number}", base)
        return git(clone, "rev-parse", f"{base}^{{tree}}")

    return measure(work)


def git_merge_tree(series: Series) -> Measured:
    """The shortest way with git's commands: one fetch, no work tree, refs all at once."""
    clone = Path(tempfile.mkdtemp(prefix="tree", dir=series.scratch)) / "clone.git"
    git(series.scratch, "clone", "-q", "--bare", str(series.origin), str(clone))

    def work() -> str:
        git(clone, "fetch", "-q", "origin", "+refs/changes/*:refs/changes/*")
        base, refs = git(clone, "rev-parse", "master"), []
        for number in range(1, series.changes + 1):
            change = refspec(number)
            tree = git(clone, "merge-tree", "--write-tree", base, change).split("\n")[0]
            base = git(clone, "commit-tree", tree, "-p", base, "-p", change, "-m", "merge")
            refs.append(f"create refs/zuul/master/Z{number} {base}\n")
        git(clone, "update-ref", "--stdin", stdin="".join(refs))
        return git(clone, "rev-parse", f"{base}^{{tree}}")

    return measure(work)


METHODS: dict[str, Callable[[Series], Measured]] = {
    "git_cold_call": git_cold_call,
    "git_merge_tree": git_merge_tree,
    "ours_fetch_each": ours_fetch_each,
    "ours_first_time": ours_first_time,
    "ours_after_reset": ours_after_reset,
    "ours_one_request": ours_one_request,
}
