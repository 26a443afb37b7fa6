"""How a run's tests are shared out among workers."""

from __future__ import annotations

from tests.support.lanes import arranged, block_of

Block = tuple[str, ...]
LIGHT: tuple[Block, float] = ((), 0.0)


def named(*names: str) -> list[tuple[Block, float]]:
    """One test for each: a word's length is its block's seconds."""
    return [((name,), float(len(name))) for name in names]


def test_each_half_begins_with_what_takes_long_and_ends_with_what_does_not() -> None:
    order = arranged([*[LIGHT] * 4, *named("longest", "long", "short", "s")], 2)
    # 4 takes 7 s, and 6 and 5 take 9 together: so 7 goes where 4 is
    assert order == [4, 7, 0, 1, 6, 5, 2, 3]


def test_a_block_stays_together_in_its_order() -> None:
    order = arranged([*named("a", "b", "a"), LIGHT, *named("a", "b")], 2)
    assert order == [0, 2, 4, 1, 5, 3]


def test_nothing_is_lost_and_nothing_is_done_twice() -> None:
    blocks = [*named(*("x" * (n % 7 + 1) for n in range(50))), *[LIGHT] * 21]
    for lanes in range(2, 6):
        order = arranged(blocks, lanes)
        assert sorted(order) == list(range(len(blocks)))


def test_heavy_ones_alone() -> None:
    assert arranged(named("aa", "b", "b"), 2) == [0, 1, 2]
    assert arranged([], 2) == []


def test_who_uses_a_service_is_one_block() -> None:
    assert block_of(("contract", "test_gerrit_shapes.py")) == ("contract", "gerrit")
    assert block_of(("contract", "test_gerrit_driver_x.py")) == ("contract", "gerrit")
    assert block_of(("contract", "test_nova_contract.py")) == ("contract", "nova")
    database = block_of(("integration", "test_a.py"), ["database_url"])
    assert database == block_of(("acceptance", "test_b.py"), ["x", "mariadb"]) != ()


def test_a_file_is_one_block_or_of_no_weight() -> None:
    assert block_of(("integration", "merger", "test_a.py")) == (
        "integration",
        "merger",
        "test_a.py",
    )
    assert block_of(("unit", "zuul", "test_a.py"), ["database_server"]) == ()
