"""Relatives of a change: contract zuul.md 3.13."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.zuul.drivers.gerrit.rows import make_patchset, make_row
from zuul.drivers.gerrit import closure
from zuul.drivers.gerrit.closure import Closure, Gathered, find_unsettled
from zuul.drivers.gerrit.queries import Answer, Term
from zuul.drivers.gerrit.records import Row
from zuul.errors import ChangeNotFound, DependencyCycle, TooManyDependencies


class Server:
    """Answers from rows, and counts the waves it was asked."""

    def __init__(self, *rows: Row) -> None:
        self.rows = rows
        self.waves: list[list[str]] = []

    def look_up(self, terms: Iterable[Term]) -> Mapping[Term, Answer]:
        asked = list(terms)
        self.waves.append([str(term) for term in asked])
        return {
            term: Answer(tuple(r for r in self.rows if term.matches(r)), float(len(self.waves)))
            for term in asked
        }

    def gather(self, number: int, patchset: int = 1) -> Gathered:
        return Closure("gerrit", self.look_up).gather(str(number), str(patchset), {})


def ref(number: int, patchset: int = 1) -> dict[str, Any]:
    return {"ref": f"refs/changes/{number:02d}/{number}/{patchset}"}


def needs(gathered: Gathered) -> dict[str, list[str]]:
    return {str(c.key): [str(key) for key in c.needs] for c in gathered.changes}


def needed_by(gathered: Gathered) -> dict[str, list[str]]:
    return {str(c.key): [str(key) for key in c.needed_by] for c in gathered.changes}


def test_alone() -> None:
    server = Server(make_row(1))
    gathered = server.gather(1)
    assert needs(gathered) == {"1,1": []}
    assert gathered.subject is gathered.changes[0]
    assert len(server.waves) == 2


def test_a_change_the_server_does_not_show() -> None:
    with pytest.raises(ChangeNotFound):
        Server().gather(1)
    with pytest.raises(ChangeNotFound):
        Server(make_row(1)).gather(1, 2)


def test_git_parent_first_then_footers_in_order() -> None:
    rows = [make_row(4, depends_on=(3, 2), dependsOn=[ref(1)]), *map(make_row, (1, 2, 3))]
    gathered = Server(*rows).gather(4)
    assert needs(gathered)["4,1"] == ["1,1", "3,1", "2,1"]
    assert {str(c.key) for c in gathered.changes} == {"1,1", "2,1", "3,1", "4,1"}
    assert needed_by(gathered)["2,1"] == ["4,1"]


def test_merged_relatives_end_the_walk() -> None:
    merged = make_row(1, status="MERGED", open=False, dependsOn=[ref(9)])
    server = Server(make_row(2, depends_on=(3,), dependsOn=[ref(1)]),
                    merged, make_row(3, status="MERGED", open=False))  # fmt: skip
    assert needs(server.gather(2)) == {"2,1": []}
    assert "change:9" not in [term for wave in server.waves for term in wave]


def test_an_abandoned_parent_counts_and_an_abandoned_footer_does_not() -> None:
    abandoned = {"status": "ABANDONED", "open": False}
    rows = [make_row(3, depends_on=(2,), dependsOn=[ref(1)]), make_row(1, **abandoned),
            make_row(2, **abandoned)]  # fmt: skip
    assert needs(Server(*rows).gather(3))["3,1"] == ["1,1"]


def test_the_exact_patch_set_of_the_parent() -> None:
    both = [make_patchset(1, 1), make_patchset(1, 2)]
    parent = make_row(1, currentPatchSet=both[1], patchSets=both)
    gathered = Server(make_row(2, dependsOn=[ref(1, 1)]), parent).gather(2)
    assert needs(gathered)["2,1"] == ["1,1"]
    found = {str(c.key): c for c in gathered.changes}
    assert not found["1,1"].is_current_patchset


def test_an_id_on_several_branches_needs_all_open_ones() -> None:
    same = make_row(2).change_id
    rows = [make_row(1, depends_on=(2,)), make_row(2), make_row(3, id=same, branch="mp"),
            make_row(4, id=same, branch="x", status="ABANDONED", open=False)]  # fmt: skip
    assert needs(Server(*rows).gather(1))["1,1"] == ["2,1", "3,1"]


def test_who_needs_it_with_its_own_relatives() -> None:
    rows = [make_row(1, neededBy=[ref(2)]), make_row(2, dependsOn=[ref(1)], depends_on=(4,)),
            make_row(3, depends_on=(1,)), make_row(4)]  # fmt: skip
    gathered = Server(*rows).gather(1)
    assert needed_by(gathered)["1,1"] == ["2,1", "3,1"]
    assert needs(gathered)["2,1"] == ["1,1", "4,1"]


def test_who_does_not_need_it_any_more() -> None:
    gone = {"status": "ABANDONED", "open": False}
    both = [make_patchset(4, 1), make_patchset(4, 2)]
    rows = [
        make_row(1, neededBy=[ref(3), ref(4)]),
        make_row(2, depends_on=(1,), **gone),
        make_row(3, dependsOn=[ref(1)], **gone),
        make_row(4, currentPatchSet=both[1], patchSets=both),
    ]
    assert needed_by(Server(*rows).gather(1)) == {"1,1": []}


def test_a_mention_of_an_id_is_no_dependency() -> None:
    mention = make_row(2, commitMessage=f"like Depends-On: {make_row(1).change_id} but not")
    assert needed_by(Server(make_row(1), mention).gather(1)) == {"1,1": []}


def test_a_cycle_of_the_subject() -> None:
    rows = [make_row(1, depends_on=(2,)), make_row(2, depends_on=(1,))]
    with pytest.raises(DependencyCycle, match="1,1"):
        Server(*rows).gather(1)
    with pytest.raises(DependencyCycle):
        Server(make_row(1, depends_on=(1,))).gather(1)


def test_a_cycle_of_others_leaves_them_out() -> None:
    rows = [make_row(1), make_row(2, depends_on=(1, 3)), make_row(3, depends_on=(2,)),
            make_row(4, depends_on=(1,))]  # fmt: skip
    gathered = Server(*rows).gather(1)
    assert needs(gathered) == {"1,1": [], "4,1": ["1,1"]}
    assert needed_by(gathered)["1,1"] == ["4,1"]


def test_more_footers_than_are_followed_refuse_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closure, "MAX_FOOTERS", 2)
    rows = [make_row(n) for n in (1, 2, 3)]
    fair, crowded = make_row(4, depends_on=(1, 2)), make_row(5, depends_on=(1, 2, 3))
    above, merged = make_row(6, depends_on=(5,)), make_row(7, depends_on=(8,))
    past = make_row(8, depends_on=(1, 2, 3), status="MERGED", open=False)
    server = Server(*rows, fair, crowded, above, merged, past)
    assert needs(server.gather(4))["4,1"] == ["1,1", "2,1"]
    for number in (5, 6):
        with pytest.raises(TooManyDependencies, match="over 2 Depends-On lines: 5,1"):
            server.gather(number)
    assert needs(server.gather(7))["7,1"] == []
    assert "5,1" not in needs(server.gather(1)), "left out as a dependant"


def test_a_crowd_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closure, "MAX_CHANGES", 5)
    rows = [make_row(1), *(make_row(n, depends_on=(1,)) for n in range(2, 30))]
    assert len(Server(*rows).gather(1).changes) == 5


def test_a_chain_takes_one_wave_a_change() -> None:
    rows = [make_row(1), *(make_row(n, dependsOn=[ref(n - 1)]) for n in range(2, 60))]
    server = Server(*rows)
    assert len(server.gather(59).changes) == 59
    assert len(server.waves) <= 60


def test_answers_at_hand_are_not_asked_for() -> None:
    server = Server(make_row(1))
    known = server.look_up([Term("change", "1")])
    server.waves.clear()
    Closure("gerrit", server.look_up).gather("1", "1", known)
    assert server.waves == [[f"message:{make_row(1).change_id}"]]


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=3)))
def test_cyclic_means_that_a_walk_along_needs_comes_back(graph: dict[int, list[int]]) -> None:
    nodes = {(str(n), "1"): [(str(o), "1") for o in others] for n, others in graph.items()}

    def reach(start: tuple[str, str]) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        waiting = list(nodes.get(start, []))
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += nodes.get(node, [])
        return found

    on_cycle = {node for node in nodes if node in reach(node)}
    expected = {node for node in nodes if node in on_cycle or reach(node) & on_cycle}
    assert find_unsettled(nodes) == expected
