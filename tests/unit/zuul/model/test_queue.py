"""Order, links and windows of a queue."""

from __future__ import annotations

import pytest

from zuul.model.change import NullChange, NullKey
from zuul.model.layout import Growth, WindowConfig
from zuul.model.queue import ChangeQueue, QueueItem


def make_queue(count: int, window: WindowConfig) -> tuple[ChangeQueue, list[QueueItem]]:
    queue = ChangeQueue("q", ("p",), window, index=0)
    items = []
    for number in range(count):
        change = NullChange(NullKey("gerrit", f"p{number}"))
        item = QueueItem(str(number), "gate", change, live=True, enqueued_at=0.0)
        tail = queue.tail
        queue.append(item)
        item.attach(tail)
        items.append(item)
    return queue, items


def active(items: list[QueueItem]) -> str:
    return "".join("x" if item.active else "." for item in items)


def test_window_lets_the_first_in() -> None:
    queue, items = make_queue(5, WindowConfig(start=2))
    assert active(items) == "xx..."
    assert queue.remove(items[0]) == [items[2]]
    assert active(items) == ".xx.."
    assert queue.remove(items[4]) == []
    assert queue.remove(items[1]) == [items[3]]


def test_unlimited_window() -> None:
    queue, items = make_queue(5, WindowConfig(start=0))
    assert active(items) == "xxxxx"
    assert queue.grow_window() == []
    queue.shrink_window()
    assert queue.window == 0


@pytest.mark.parametrize(
    ("config", "grown", "shrunk"),
    [
        (WindowConfig(), 21, 10),
        (WindowConfig(start=4, floor=3), 5, 3),
        (WindowConfig(start=4, floor=1, decrease=Growth.LINEAR, decrease_factor=1), 5, 3),
        (WindowConfig(start=4, increase=Growth.EXPONENTIAL, increase_factor=2), 8, 3),
    ],
)
def test_window_arithmetic(config: WindowConfig, grown: int, shrunk: int) -> None:
    queue, _ = make_queue(0, config)
    queue.grow_window()
    assert queue.window == grown
    queue, _ = make_queue(0, config)
    queue.shrink_window()
    assert queue.window == shrunk


def test_shrinking_puts_the_last_out_and_growing_lets_them_in() -> None:
    queue, items = make_queue(6, WindowConfig(start=4, floor=1))
    queue.shrink_window()
    assert active(items) == "xx...."
    assert queue.grow_window() == [items[2]]
    assert active(items) == "xxx..."


def test_nearest_non_failing() -> None:
    queue, items = make_queue(4, WindowConfig())
    assert queue.nearest_non_failing(items[0]) is None
    assert queue.set_passing(items[1], False)
    assert not queue.set_passing(items[1], False)
    assert queue.nearest_non_failing(items[2]) is items[0]
    assert list(queue.until_next_passing(items[0])) == [items[1], items[2]]
    queue.remove(items[0])
    assert queue.nearest_non_failing(items[2]) is None
    assert queue.set_passing(items[1], True)
    assert queue.nearest_non_failing(items[3]) is items[2]


def test_removal_attaches_what_was_behind_to_what_was_ahead() -> None:
    queue, (a, b, c, d) = make_queue(4, WindowConfig())
    d.attach(b)
    assert list(b.items_behind) == [c, d]
    queue.remove(b)
    assert list(a.items_behind) == [c, d]
    assert [c.item_ahead, d.item_ahead] == [a, a]
    assert list(queue) == [a, c, d]
    assert list(a.chained_behind(lambda _: True)) == [c, d]
    assert list(d.chain_ahead()) == [a]
    assert len(queue) == 3
    d.attach(c)
    assert list(a.chained_behind(lambda _: True)) == [c, d]
    assert list(a.chained_behind(lambda item: item is not c)) == [c]
