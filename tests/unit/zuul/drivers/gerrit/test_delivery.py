"""No news of a change is followed by older news."""

from __future__ import annotations

from tests.unit.zuul.drivers.gerrit.rows import make_row
from zuul.core.events import ChangesRefreshed, Event, TriggerReceived
from zuul.drivers.gerrit.delivery import Deliverer, Delivery
from zuul.model.trigger import TriggerEvent

EVENT = TriggerEvent("gerrit", "comment-added", number="1", patchset="1")
OLD = make_row(1).change("gerrit", "1")
NEW = make_row(1, status="ABANDONED").change("gerrit", "1")
OTHER = make_row(2).change("gerrit", "1")


def test_older_answers_are_replaced_by_what_was_told() -> None:
    told: list[Event] = []
    deliverer = Deliverer("gerrit", told.append)
    deliverer.deliver(Delivery("lane", EVENT, (NEW,), {NEW.key: 5.0}))
    deliverer.deliver(Delivery(None, None, (OTHER, OLD), {OTHER.key: 4.0, OLD.key: 4.0}))
    deliverer.deliver(Delivery("lane", EVENT, (OLD,), {OLD.key: 6.0}))
    assert told == [
        TriggerReceived(EVENT, NEW, (NEW,)),
        ChangesRefreshed((OTHER, NEW)),
        TriggerReceived(EVENT, OLD, (OLD,)),
    ]
    assert deliverer.delivered == {"lane": 2}


def test_an_event_without_its_change() -> None:
    told: list[Event] = []
    Deliverer("gerrit", told.append).deliver(Delivery("lane", EVENT))
    assert told == [TriggerReceived(EVENT, None, ())]
