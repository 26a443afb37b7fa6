"""Lanes and loops: order within a lane, no order between them, nothing dies of an exception."""

import queue
import threading

import pytest

from zuul.lib.workers import Lanes, Loop


@pytest.fixture
def lanes():  # type: ignore[no-untyped-def]
    pool = Lanes("test", 4, limit=10)
    pool.start()
    yield pool
    pool.stop()


def test_work_of_one_lane_keeps_its_order(lanes: Lanes) -> None:
    seen: queue.Queue[int] = queue.Queue()
    for number in range(10):
        lanes.submit("a", lambda number=number: seen.put(number), "count")  # type: ignore[misc]
    assert [seen.get(timeout=5) for _ in range(10)] == list(range(10))


def test_work_of_different_lanes_runs_side_by_side(lanes: Lanes) -> None:
    meeting = threading.Barrier(4)
    for lane in "abc":
        lanes.submit(lane, lambda: meeting.wait(5) and None, "meet")
    meeting.wait(5)


def test_work_that_raises_is_logged_and_its_lane_goes_on(
    lanes: Lanes, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()
    lanes.submit("a", lambda: {}["missing"], "look it up")
    lanes.submit("a", done.set, "go on")
    assert done.wait(5)
    assert "look it up" in caplog.text


def test_more_work_than_the_limit_is_refused(lanes: Lanes) -> None:
    hold = threading.Event()
    for _ in range(10):
        lanes.submit("a", lambda: hold.wait(5) and None, "hold")
    with pytest.raises(queue.Full):
        lanes.submit("a", hold.set, "one too many")
    hold.set()


def test_later_work_comes_later_and_in_its_lane(lanes: Lanes) -> None:
    seen: queue.Queue[str] = queue.Queue()
    lanes.submit_later(0.05, "a", lambda: seen.put("later"), "later")
    lanes.submit("a", lambda: seen.put("now"), "now")
    assert [seen.get(timeout=5), seen.get(timeout=5)] == ["now", "later"]


def test_a_loop_whose_turn_raises_takes_the_next_turn(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []
    enough = threading.Event()

    def turn(stopping: threading.Event) -> None:
        turns.append(1)
        if len(turns) == 1:
            raise ValueError("first")
        enough.set()
        stopping.wait(5)

    loop = Loop("turner", turn, first_pause_seconds=0.01)
    loop.start()
    assert enough.wait(5)
    assert loop.stop()
    assert "turner" in caplog.text
