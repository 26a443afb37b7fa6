"""Any graph of dependencies, cycles included, through admission, check and gate."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_gerrit import FakeChange
from tests.support.invariants import watch
from tests.support.world import World

#: two projects of one queue, one of another, and one that the layout does not know
PROJECTS = ("org/project1", "org/project2", "org/project", "org/unknown")
KNOWN = PROJECTS[:3]
MOST = 6

graphs = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@dataclass(frozen=True)
class Node:
    """A change: its git parent is an earlier one, its footers may name any, itself too."""

    project: str
    parent: int | None
    targets: tuple[int, ...]


@st.composite
def change_graphs(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, MOST))
    nodes: list[Node] = []
    for index in range(count):
        project = draw(st.sampled_from(PROJECTS))
        kin = [i for i in range(index) if nodes[i].project == project]
        parent = draw(st.sampled_from([None, *kin]))
        targets = draw(st.lists(st.integers(0, count - 1), max_size=2, unique=True))
        nodes.append(Node(project, parent, tuple(targets)))
    return nodes


def needs(nodes: list[Node], index: int) -> list[int]:
    """What must merge before, nearest relatives only: the git parent, then footers in order."""
    node = nodes[index]
    return list(dict.fromkeys([*([] if node.parent is None else [node.parent]), *node.targets]))


def reaches(nodes: list[Node], index: int) -> set[int]:
    found: set[int] = set()
    waiting = needs(nodes, index)
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += needs(nodes, other)
    return found


def is_cyclic(nodes: list[Node], index: int) -> bool:
    """A cycle can be reached: through the change itself or farther away."""
    return any(other in reaches(nodes, other) for other in {index} | reaches(nodes, index))


def build(nodes: list[Node]) -> tuple[World, list[FakeChange]]:
    world = World()
    watch(world)
    ids = [f"I{index:040x}" for index in range(len(nodes))]
    changes: list[FakeChange] = []
    for index, node in enumerate(nodes):
        parent = None if node.parent is None else changes[node.parent]
        change = world.change(node.project, needs=parent, change_id=ids[index])
        change.current.footers = tuple(ids[target] for target in node.targets)
        changes.append(change)
    return world, changes


@graphs
@given(change_graphs())
def test_check_tests_a_change_with_all_it_needs_and_nothing_else(nodes: list[Node]) -> None:
    world, changes = build(nodes)
    for index, change in enumerate(changes):
        known = len(world.gearman.history)
        world.created(change)
        tested = {build.changes for build in world.gearman.history[known:]}
        if is_cyclic(nodes, index) or change.project not in KNOWN:
            assert tested == set()
            world.expect_reports(0, change)
            continue
        (series,) = tested
        order = [int(key.partition(",")[0]) - 1 for key in series.split()]
        assert order[-1] == index
        assert sorted(order) == sorted(reaches(nodes, index) | {index})
        for place, other in enumerate(order):
            assert set(needs(nodes, other)) <= set(order[:place])
        world.expect_reports(1, change)
    world.expect_idle()


@graphs
@given(change_graphs(), st.randoms(use_true_random=False))
def test_the_gate_merges_exactly_what_can_merge(nodes: list[Node], random) -> None:
    world, changes = build(nodes)
    landed: list[int] = []
    world.landed.append(lambda report: landed.append(int(report.change.key.number) - 1))
    world.approve(*changes, event=False)
    order = list(range(len(nodes)))
    # a change that was refused because of another queue is not tried again by itself
    for _ in nodes:
        random.shuffle(order)
        world.approve(*(changes[index] for index in order if changes[index].is_open))

    can_merge = {
        index
        for index, node in enumerate(nodes)
        if not is_cyclic(nodes, index)
        and all(nodes[i].project in KNOWN for i in reaches(nodes, index) | {index})
    }
    assert set(landed) == can_merge
    assert len(landed) == len(can_merge)
    for place, index in enumerate(landed):
        assert set(needs(nodes, index)) <= set(landed[:place])
    world.expect_idle()


@graphs
@given(change_graphs())
def test_whatever_fails_takes_its_dependants_along(nodes: list[Node]) -> None:
    world, changes = build(nodes)
    first = changes[0]
    for name in ("project-merge", "project1-merge", "project2-merge"):
        world.gearman.add_rule(name, "FAILURE", str(first.key))
    for _ in nodes:
        world.approve(*(change for change in changes if change.is_open))
    for index, change in enumerate(changes):
        if index == 0 or 0 in reaches(nodes, index):
            assert change.is_open
    world.expect_idle()
