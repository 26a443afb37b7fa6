"""What a bridge keeps of each node, and how it is told page by page."""

from __future__ import annotations

import random

from gearman_plugin_shim.publisher import PAGE_LENGTH, BuildEvent, EventHistory, Page


def event(node: str, length: int = 2) -> BuildEvent:
    return BuildEvent("onStarted", "{}".ljust(length), node)


def numbers(page: Page) -> list[int]:
    return [kept.number for kept in page.events]


def read_all(history: EventHistory, node: str | None = None) -> list[int]:
    found: list[int] = []
    last = 0
    while True:
        page = history.page(last, node)
        found += numbers(page)
        assert page.last >= last
        last = page.last
        if not page.more:
            return found


def test_pages_follow_each_other() -> None:
    history = EventHistory(10, page_events=3)
    for index in range(8):
        history.add(event(f"n{index % 2}"), float(index))
    first = history.page(0)
    assert (numbers(first), first.last, first.more) == ([1, 2, 3], 3, True)
    assert numbers(history.page(3)) == [4, 5, 6]
    last = history.page(6)
    assert (numbers(last), last.last, last.more) == ([7, 8], 8, False)
    assert history.page(8) == Page([], 8, False)
    assert read_all(history, "n1") == [2, 4, 6, 8]


def test_a_page_that_is_just_full_is_the_last() -> None:
    history = EventHistory(10, page_events=3)
    for _ in range(3):
        history.add(event("n"), 0.0)
    assert history.page(0).more is False


def test_a_page_is_bounded_in_length_and_never_empty() -> None:
    history = EventHistory(100)
    for _ in range(12):
        history.add(event("n", 1 << 20), 0.0)
    assert len(history.page(0).events) == PAGE_LENGTH >> 20
    assert read_all(history) == list(range(1, 13))


def test_what_no_subscriber_takes_is_not_kept() -> None:
    history = EventHistory(10)
    history.add(event("n", (1 << 20) + 1), 0.0)
    history.add(event("n"), 0.0)
    assert numbers(history.page(0)) == [1]


def test_another_start_has_another_id() -> None:
    assert EventHistory(1).id != EventHistory(1).id


def test_it_keeps_the_last_of_each_node_and_no_more() -> None:
    chance = random.Random(7)
    history = EventHistory(3, page_events=4)
    told: list[tuple[int, str]] = []
    for number in range(1, 5001):
        name = f"n{chance.randrange(9)}"
        history.add(event(name), 0.0)
        told.append((number, name))
        if number % 997 == 0:
            last = {name: [n for n, other in told if other == name][-3:] for _, name in told}
            assert read_all(history) == sorted(n for numbers in last.values() for n in numbers)
    assert len(history._order) < 2100
