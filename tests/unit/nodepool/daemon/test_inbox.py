"""What waits for the pool, in which order, and who is made to wait."""

import threading

from nodepool.core import events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.daemon.inbox import Inbox
from nodepool.model import MachineKey, NodeState
from tests.support.waiting import eventually

KEY = MachineKey("node", 1)


def listed(provider: str, asked_at: float) -> events.ServersListed:
    return events.ServersListed(provider, (), asked_at)


def test_answers_keep_their_order() -> None:
    inbox = Inbox()
    told = [events.ServerCreated(KEY, "a"), events.Connected(KEY), events.ServerCreated(KEY, "b")]
    for event in told:
        inbox.put(event)
    assert inbox.take(0, 2) == told[:2]
    assert inbox.take(0, 2) == told[2:]
    assert inbox.take(0, 2) == []


def test_of_lists_the_latest_is_enough() -> None:
    inbox = Inbox()
    created = events.ServerCreated(KEY, "a")
    for event in (listed("p", 1), listed("q", 1), created, listed("p", 2)):
        inbox.put(event)
    assert inbox.take(0, 9) == [listed("q", 1), created, listed("p", 2)]


def test_a_publishers_word_comes_after_all_that_it_vouches_for() -> None:
    inbox = Inbox()
    first, second = (events.BuildEventsHeard("p", until) for until in (1.0, 2.0))
    other = events.BuildEventsHeard("q", 1.0)
    builds = [BuildStarted(f"n{number}", "job") for number in range(2)]
    for event in (builds[0], first, other, builds[1], second):
        inbox.put(event)
    assert inbox.take(0, 9) == [builds[0], other, builds[1], second]


def test_a_request_that_is_told_again_waits_once() -> None:
    inbox = Inbox()
    first, second = (events.ImageRequested("p", "i", number) for number in (1, 2))
    for event in (first, second, first):
        inbox.put(event)
    assert inbox.take(0, 9) == [second, first]


def test_what_a_person_did_to_two_nodes_is_told_of_both() -> None:
    inbox = Inbox()
    first, second = (events.RowChanged(number, NodeState.HOLD) for number in (1, 2))
    for event in (first, second, first):
        inbox.put(event)
    assert inbox.take(0, 9) == [second, first]


def test_who_brings_too_many_build_events_waits() -> None:
    inbox = Inbox(limit=2)
    for number in range(2):
        inbox.put(BuildStarted(f"n{number}", "job"))
    third = threading.Thread(target=inbox.put, args=(BuildFinalized("n0", "job", None, None),))
    third.start()
    third.join(0.05)
    assert third.is_alive()
    inbox.put(events.Connected(KEY))  # answers never wait
    assert len(inbox.take(0, 1)) == 1
    third.join(10)
    assert not third.is_alive()
    assert len(inbox) == 3


def test_closed_it_lets_everybody_go_and_keeps_nothing() -> None:
    inbox = Inbox(limit=1)
    inbox.put(BuildStarted("n", "job"))
    waiting = threading.Thread(target=inbox.put, args=(BuildStarted("m", "job"),))
    waiting.start()
    inbox.close()
    waiting.join(10)
    inbox.put(events.Connected(KEY))
    assert not waiting.is_alive()
    assert inbox.take(60, 9) == []


def test_woken_it_gives_nothing_at_once() -> None:
    inbox = Inbox()
    taken: list[list[events.Event]] = []
    taker = threading.Thread(target=lambda: taken.append(inbox.take(60, 9)))
    taker.start()
    inbox.wake()
    assert eventually(lambda: taken, "an empty batch") == [[]]
    taker.join(10)
