"""The inbox: its lanes, its order, its bound."""

import threading

from zuul.core.events import GracefulExitRequested, RepoUpdated, TriggerReceived
from zuul.daemon.inbox import TRIGGER_BATCH, Inbox
from zuul.model.trigger import TriggerEvent


def trigger(number: int = 1) -> TriggerReceived:
    return TriggerReceived(TriggerEvent("gerrit", "comment-added", number=str(number)))


def test_management_comes_before_results_and_those_before_triggers() -> None:
    inbox = Inbox()
    result = RepoUpdated("r", None)
    inbox.put(trigger())
    inbox.put(result)
    inbox.put(GracefulExitRequested())
    assert inbox.take(0) == [GracefulExitRequested(), result, trigger()]
    assert inbox.take(0) == []


def test_a_flood_of_triggers_is_handed_out_in_pieces() -> None:
    inbox = Inbox()
    for number in range(TRIGGER_BATCH + 1):
        inbox.put(trigger(number))
    assert len(inbox.take(0)) == TRIGGER_BATCH
    assert inbox.take(0) == [trigger(TRIGGER_BATCH)]


def test_held_triggers_stay_while_results_are_handed_out() -> None:
    inbox = Inbox()
    inbox.hold_triggers()
    inbox.put(trigger())
    inbox.put(RepoUpdated("r", None))
    assert inbox.take(0) == [RepoUpdated("r", None)]
    assert inbox.take(0) == []
    assert inbox.held_triggers() == [trigger()]


def test_wake_lets_take_return_with_nothing() -> None:
    inbox = Inbox()
    inbox.wake()
    assert inbox.take(60) == []


def test_a_full_trigger_lane_keeps_its_driver_waiting_and_no_one_else() -> None:
    inbox = Inbox(trigger_limit=1)
    inbox.put(trigger(1))
    inbox.put(RepoUpdated("r", None))
    driver = threading.Thread(target=inbox.put, args=(trigger(2),))
    driver.start()
    assert inbox.take(0) == [RepoUpdated("r", None), trigger(1)]
    driver.join(5)
    assert not driver.is_alive()
    assert inbox.take(5) == [trigger(2)]


def test_lengths_count_what_waits() -> None:
    inbox = Inbox()
    inbox.put(trigger())
    inbox.put(RepoUpdated("r", None))
    assert (inbox.lengths().trigger, inbox.lengths().result) == (1, 1)


def test_close_frees_whoever_waits_for_room() -> None:
    inbox = Inbox(trigger_limit=1)
    inbox.put(trigger(1))
    driver = threading.Thread(target=inbox.put, args=(trigger(2),))
    driver.start()
    inbox.close()
    driver.join(5)
    assert not driver.is_alive()
