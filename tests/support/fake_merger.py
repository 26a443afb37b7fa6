"""A merger in memory: really merges, on what it merged before, as zuul-merger does."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.fake_gerrit import FakeGerrit
from tests.support.fake_git import Commit
from zuul.core.commands import MergeChanges, SeriesItem
from zuul.model.build import MergeConflict, MergeResult

ZUUL_URL = "http://merger.example.com/p"

#: (project, branch) -> newest commit, after all items up to one
State = Mapping[tuple[str, str], Commit]


class FakeMerger:
    """Keeps the outcome of every request, so that the next of a series costs one merge."""

    def __init__(self, gerrit: FakeGerrit) -> None:
        self._gerrit = gerrit
        self._states: dict[str, State] = {}
        #: zuul_ref -> what can be fetched under it
        self.refs: dict[str, State] = {}
        self.merges = 0

    def forget(self) -> None:
        """Another merger takes over: it has no results to build on."""
        self._states.clear()

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
            self.refs[step.zuul_ref] = state
        commit = state[item.project, item.branch]
        return MergeResult(
            merged=True,
            commit=commit.sha,
            zuul_url=ZUUL_URL,
            merger_id="m",
            tree=commit.tree,
            base_tree=self._base(item).tree,
        )

    def _base(self, item: SeriesItem) -> Commit:
        """The commit that the last item was merged onto."""
        ahead = item.ahead
        if ahead is not None:
            before = self._states[ahead.request].get((item.project, item.branch))
            if before is not None:
                return before
        return self._gerrit.head(item.project, item.branch)

    def _merge_one(self, step: SeriesItem, state: State) -> State | None:
        where = (step.project, step.branch)
        onto = state.get(where) or self._gerrit.head(*where)
        change = self._gerrit.changes[int(step.number)]
        patch = change.patchsets[int(step.patchset) - 1].commit
        self.merges += 1
        merged = self._gerrit.merge(step.project, onto, patch)
        return None if merged is None else {**state, where: merged}
