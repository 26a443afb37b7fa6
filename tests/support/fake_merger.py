"""A merger in memory: really merges, on what it merged before, as zuul-merger does."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.fake_gerrit import FakeGerrit
from tests.support.fake_git import Commit
from zuul.core.commands import MergeChanges, SeriesItem
from zuul.model.build import MergeConflict, MergeResult

#: (project, branch) -> newest commit, after all items up to one
State = Mapping[tuple[str, str], Commit]


class FakeMerger:
    """Keeps the outcome of every request, so that the next of a series costs one merge."""

    def __init__(self, gerrit: FakeGerrit) -> None:
        self._gerrit = gerrit
        self._states: dict[str, State] = {}
        #: of each request: what its item was merged onto
        self._bases: dict[str, Commit] = {}
        #: (zuul_url, zuul_ref) -> what can be fetched under it
        self._refs: dict[tuple[str, str], State] = {}
        self.merges = 0
        #: changes with every merger that takes over
        self.url = "http://merger.example.com/p"

    def prepared(self, parameters: Mapping[str, str | None]) -> State | None:
        """What a build fetches; None for a build of a ref or of nothing."""
        url, ref = parameters["ZUUL_URL"] or "", parameters.get("ZUUL_REF") or ""
        return self._refs.get((url, ref.rpartition("/")[2]))

    def take_over(self, url: str) -> None:
        """Another merger serves from now on: it has no results to build on."""
        self._states.clear()
        self.url = url

    def merge(self, command: MergeChanges) -> MergeResult:
        item = command.item
        assert item.request == command.request
        state: State = {}
        todo: list[SeriesItem] = []
        link: SeriesItem | None = item
        while link is not None and link.request not in self._states:
            todo.append(link)
            link = link.ahead
        if link is not None:
            state = self._states[link.request]
        for step in reversed(todo):
            merged = self._merge_one(step, state)
            if merged is None:
                conflict = MergeConflict(step.project, step.number, step.patchset)
                return MergeResult(merged=False, conflict=conflict, merger_id="m")
            state = self._states[step.request] = merged
            self._refs[self.url, step.zuul_ref] = state
        commit = state[item.project, item.branch]
        return MergeResult(
            merged=True,
            commit=commit.sha,
            zuul_url=self.url,
            merger_id="m",
            tree=commit.tree,
            base_tree=self._bases[item.request].tree,
        )

    def _merge_one(self, step: SeriesItem, state: State) -> State | None:
        where = (step.project, step.branch)
        onto = state.get(where) or self._gerrit.head(*where)
        change = self._gerrit.changes[int(step.number)]
        patch = change.patchsets[int(step.patchset) - 1].commit
        self.merges += 1
        self._bases[step.request] = onto
        merged = self._gerrit.merge(step.project, onto, patch)
        if merged is None or (merged.tree == onto.tree and merged is not onto):
            # a pick that is empty on its base is no pick, as with git
            return None
        return {**state, where: merged}
