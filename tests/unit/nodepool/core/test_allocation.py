"""The allocator: the contract's vectors (nodepool.md 6.3, 6.4) and what must always hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodepool.core.allocation import MAX_WAIT, Grant, History, Request, allocate
from tests.unit.nodepool.core.plain_allocation import allocate_plainly

ONE_TARGET = {"t": 0}


def run(
    room: Sequence[int],
    wanted: Sequence[tuple[int, Sequence[int]]],
    history: History | None = None,
    targets: Mapping[str, int] = ONE_TARGET,
) -> list[Grant]:
    """`wanted`: of label l1, l2 ... the amount and the numbers of its providers."""
    history = history or History()
    requests = [
        Request(f"l{n}", amount, [f"p{p}" for p in providers], dict(targets))
        for n, (amount, providers) in enumerate(wanted, start=1)
    ]
    providers = {f"p{n}": count for n, count in enumerate(room, start=1)}
    grants = allocate(providers, requests, history)
    history.close_round(requests, grants)
    return grants


def amounts(grants: list[Grant], *places: str) -> tuple[int, ...]:
    """`places` like l1@p2."""
    found = {f"{grant.label}@{grant.provider}": grant.amount for grant in grants}
    assert set(found) <= set(places)
    return tuple(found.get(place, 0) for place in places)


@pytest.mark.parametrize("want", [1, 2])
def test_t1_one_label(want: int) -> None:
    assert amounts(run([10], [(want, [1])]), "l1@p1") == (want,)


@pytest.mark.parametrize("want", [1, 2])
def test_t2_two_labels(want: int) -> None:
    grants = run([10], [(want, [1]), (want, [1])])
    assert amounts(grants, "l1@p1", "l2@p1") == (want, want)


@pytest.mark.parametrize(
    ("room", "want", "expected"),
    [
        ((10, 10), (1, 1), (1, 1, 0, 0)),
        ((10, 10), (2, 2), (1, 1, 1, 1)),
        ((10, 10), (3, 3), (2, 2, 1, 1)),
        ((10, 10), (4, 4), (2, 2, 2, 2)),
        ((4, 4), (4, 4), (2, 2, 2, 2)),
        ((2, 2), (4, 4), (1, 1, 1, 1)),
        ((-5, 20), (5, 5), (0, 0, 5, 5)),
    ],
)
def test_t3_two_providers(
    room: tuple[int, int], want: tuple[int, int], expected: tuple[int, ...]
) -> None:
    grants = run(room, [(want[0], [1, 2]), (want[1], [1, 2])])
    assert amounts(grants, "l1@p1", "l2@p1", "l1@p2", "l2@p2") == expected


@pytest.mark.parametrize(
    ("room", "want", "expected"),
    [
        ((10, 10), (1, 1), (1, 1, 0)),
        ((10, 10), (2, 2), (2, 1, 1)),
        ((10, 10), (3, 3), (3, 2, 1)),
        ((10, 10), (4, 4), (4, 2, 2)),
        ((4, 4), (4, 4), (4, 0, 4)),
        ((2, 2), (4, 4), (2, 0, 2)),
    ],
)
def test_t4_one_label_is_bound_to_a_provider(
    room: tuple[int, int], want: tuple[int, int], expected: tuple[int, ...]
) -> None:
    grants = run(room, [(want[0], [1]), (want[1], [1, 2])])
    assert amounts(grants, "l1@p1", "l2@p1", "l2@p2") == expected


def rounds(room: Sequence[int], wanted: Sequence[tuple[int, Sequence[int]]]) -> str:
    """Labels granted in each of 11 rounds, a label once for each grant."""
    history = History()
    return " · ".join(
        " ".join(grant.label[1:] for grant in run(room, wanted, history)) for _ in range(11)
    )


BOTH = (1, 2)


@pytest.mark.parametrize(
    ("room", "want", "expected"),
    [
        ((1, 0), [1] * 8, "7 · 1 · 2 · 3 · 4 · 5 · 6 · 8 · 7 · 1 · 2"),
        ((4, 4), [1] * 8, " · ".join(["1 3 5 7 2 4 6 8"] * 11)),
        (
            (1, 1),
            [100] + [1] * 7,
            "1 1 · 1 2 · 1 3 · 1 4 · 1 5 · 1 6 · 1 7 · 1 8 · 1 2 · 1 3 · 1 4",
        ),
    ],
    ids=["one_to_one", "at_quota", "big_fish"],
)
def test_t5_taking_turns(room: tuple[int, int], want: list[int], expected: str) -> None:
    assert rounds(room, [(amount, BOTH) for amount in want]) == expected


@pytest.mark.parametrize(
    ("room", "want", "expected"),
    [
        ((1, 1), 1, "1 6 · 1 8 · 1 2 · 1 3 · 1 4 · 1 5 · 1 7 · 1 6 · 1 8 · 1 2 · 1 3"),
        ((1, 1), 20, "1 6 · 2 8 · 3 3 · 4 4 · 5 5 · 7 7 · 1 6 · 2 8 · 3 3 · 4 4 · 5 5"),
        ((4, 4), 1, " · ".join(["1 2 4 6 8 3 5 7"] * 11)),
    ],
    ids=["fixed_even", "over_subscribed", "even"],
)
def test_t6_taking_turns_with_bound_labels(room: tuple[int, int], want: int, expected: str) -> None:
    """The bound labels ask first."""
    names = {"l1": "1", "l2": "8", **{f"l{n}": str(n - 1) for n in range(3, 9)}}
    providers: list[Sequence[int]] = [(1,), (2,), *[BOTH] * 6]
    history = History()
    found = [
        " ".join(names[g.label] for g in run(room, [(want, p) for p in providers], history))
        for _ in range(11)
    ]
    assert " · ".join(found) == expected


@pytest.mark.parametrize(
    ("room", "wanted", "expected"),
    [
        ([30], [(100, [1]), (50, [1])], [20, 10]),
        ([10], [(90, [1]), (10, [1])], [9, 1]),
        ([30, 10], [(8, [1, 2])], [6, 2]),
    ],
)
def test_shares_are_in_proportion(
    room: list[int], wanted: list[tuple[int, list[int]]], expected: list[int]
) -> None:
    assert [grant.amount for grant in run(room, wanted)] == expected


@pytest.mark.parametrize(
    ("current", "want", "expected"),
    [
        ((0, 0, 0), 7, (2, 3, 2)),
        ((6, 0, 0), 6, (0, 3, 3)),
        ((5, 1, 0), 3, (0, 1, 2)),
        ((0, 0), 5, (3, 2)),
        ((10, 0), 4, (0, 4)),
        ((10, 0), 20, (5, 15)),
    ],
)
def test_targets_are_evened_out(
    current: tuple[int, ...], want: int, expected: tuple[int, ...]
) -> None:
    targets = {f"t{n}": count for n, count in enumerate(current)}
    (grant,) = run([100], [(want, [1])], targets=targets)
    assert tuple(dict(grant.targets).get(name, 0) for name in targets) == expected


def test_later_grants_see_what_targets_got() -> None:
    first, second = run([1, 1], [(2, [1, 2])], targets={"a": 0, "b": 0})
    assert (first.targets, second.targets) == ((("a", 1),), (("b", 1),))


def with_subnodes(amount: int, machines: int, other: int = 0) -> list[Grant]:
    requests = [Request("l1", amount, ["p"], ONE_TARGET, machines)]
    if other:
        requests.append(Request("l2", other, ["p"], ONE_TARGET))
    return allocate({"p": 10}, requests, History())


def test_subnodes_never_overcommit() -> None:
    assert [grant.amount for grant in with_subnodes(10, 3)] == [3]
    assert [grant.amount for grant in with_subnodes(5, 2, other=5)] == [5]
    assert with_subnodes(1, 11) == []


def test_an_idle_label_does_not_wait() -> None:
    history = History()
    for _ in range(5):
        run([1], [(0, [1]), (1, [1])], history)
    assert history.wait("l1") == 0
    run([0], [(1, [1]), (1, [1])], history)
    assert (history.wait("l1"), history.wait("l2")) == (1, 1)


def asking(*labels: str) -> list[Request]:
    return [Request(label, 1, ["p"], ONE_TARGET) for label in labels]


def test_waiting_ends_with_a_grant_or_when_nobody_asks() -> None:
    history = History()
    for _ in range(MAX_WAIT + 5):
        history.close_round(asking("a", "b"), [Grant("p", "b", 1, (("t", 1),))])
    assert (history.wait("a"), history.wait("b")) == (MAX_WAIT, 0)
    history.close_round([], [])
    assert history.wait("a") == 0


WORLDS = st.tuples(
    st.lists(st.integers(-3, 60), min_size=1, max_size=5),
    st.lists(
        st.tuples(
            st.integers(0, 80),
            st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True).map(sorted),
            st.integers(1, 4),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.integers(0, 20), min_size=1, max_size=4),
)


@given(world=WORLDS, waits=st.lists(st.integers(0, 4), min_size=6, max_size=6))
def test_it_does_as_the_plain_algorithm(
    world: tuple[list[int], list[tuple[int, list[int], int]], list[int]], waits: list[int]
) -> None:
    room, wanted, current = world
    providers = {f"p{n}": count for n, count in enumerate(room, start=1)}
    history = History()
    for turn in range(4):
        history.close_round(asking(*(f"l{n}" for n, w in enumerate(waits) if w > turn)), [])
    requests = [
        Request(
            f"l{n}",
            amount,
            [f"p{p}" for p in numbers if p <= len(room)],
            {f"t{t}": count for t, count in enumerate(current)},
            machines,
        )
        for n, (amount, numbers, machines) in enumerate(wanted)
    ]
    grants = allocate(providers, requests, history)
    assert grants == allocate_plainly(providers, requests, history)
    for provider, free in providers.items():
        machines = {request.label: request.machines for request in requests}
        given = sum(g.amount * machines[g.label] for g in grants if g.provider == provider)
        assert given <= max(0, free)
    for request in requests:
        mine = [grant for grant in grants if grant.label == request.label]
        assert sum(grant.amount for grant in mine) <= request.amount
        assert all(grant.amount == sum(n for _, n in grant.targets) for grant in mine)
