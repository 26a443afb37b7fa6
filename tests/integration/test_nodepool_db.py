"""The ledger on real databases: what is written, and what people write beside."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from nodepool.core.commands import (
    RemoveImage,
    RemoveNode,
    RemoveRequest,
    SaveHeard,
    SaveImage,
    SaveNode,
)
from nodepool.core.events import (
    ImageDeletionRequested,
    ImageRequested,
    RequestGarbled,
    RowChanged,
)
from nodepool.db.people import JobRow, People
from nodepool.db.schema import IMAGE_REQUEST, JOB, NODE, SUBNODE
from nodepool.errors import RowConflict, StoreError
from nodepool.host_keys import MOST_KEYS
from nodepool.model import Heard, Machine, NodeState, Presence
from tests.integration.nodepool_store_world import Site, new_image, new_node


def test_what_is_committed_is_loaded(site: Site) -> None:
    node, image = new_node(site, machines=3), new_image(site)
    assert site.store.commit([SaveNode(node, None), SaveImage(image)]) == []
    # As long as they get: of RSA with 16,384 bits.
    keys = tuple(f"ssh-rsa {number}" + "C" * 2_780 for number in range(MOST_KEYS))
    other = Machine("x", Presence.EXISTS, "s-2", "192.0.2.2", "10.0.0.2", "f", keys)
    grown = node.with_machine(1, other).with_machine(
        0, replace(node.machines[0], host_keys=keys[:2])
    )
    grown = replace(grown.with_state(NodeState.READY, 200.0), registered=True, delete_at=7.25)
    built = replace(image.with_state(NodeState.READY, 210.0), external_id="i", proven=True)
    built = replace(built, machine=replace(image.machine, host_keys=keys))
    assert site.store.commit([SaveNode(grown, NodeState.BUILDING), SaveImage(built)]) == []
    nodes, images, holds = site.new_store(site.lease).load()
    assert (nodes, images, holds) == ([grown], [built], {})
    site.store.commit([RemoveNode(node.id), RemoveImage(image.id)])
    assert site.new_store(site.lease).load() == ([], [], {})
    with site.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(SUBNODE)) == 0


def test_order_and_holds(site: Site) -> None:
    nodes = [new_node(site) for _ in range(3)]
    nodes = [replace(nodes[0], provider="z"), replace(nodes[1], label="z"), nodes[2]]
    site.store.commit([SaveNode(node, None) for node in nodes])
    with site.database.write() as connection:
        connection.execute(JOB.insert().values(name="unit", hold_on_failure=2))
    loaded, _, holds = site.new_store(site.lease).load()
    assert [node.id for node in loaded] == [3, 2, 1]
    assert holds == site.store.holds() == {"unit": 2}


def test_up_to_when_all_was_heard(site: Site) -> None:
    """All of it at once, in place of what was there; names that differ in little are two."""
    assert site.store.heard() == Heard()
    publishers = {"tcp://p:1": 1.75e9 + 0.25, "tcp://P:1": 3.5}
    first = Heard(publishers, {"t": 5.0, "T": 6.0, "é": 7.0, "e": 8.0, "t ": 9.0})
    assert site.store.commit([SaveHeard(first)]) == []
    assert site.new_store(site.lease).heard() == first
    second = Heard({"tcp://p:1": 2.0}, {"u": 7.0})
    assert site.store.commit([SaveHeard(second)]) == []
    assert site.store.heard() == second
    site.store.commit([SaveHeard(Heard())])
    assert site.store.heard() == Heard()


def test_it_is_written_with_the_rows_of_what_was_heard_or_not_at_all(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None), SaveHeard(Heard({}, {"t": 1.0}))])
    with pytest.raises(RowConflict):
        site.store.commit([SaveHeard(Heard({}, {"t": 2.0})), SaveNode(node, None)])
    assert site.store.heard() == Heard({}, {"t": 1.0})


def test_numbers_are_never_given_twice(site: Site) -> None:
    node, image = new_node(site), new_image(site)
    site.store.commit([SaveNode(node, None), SaveImage(image)])
    site.store.commit([RemoveNode(node.id), RemoveImage(image.id)])
    later = site.new_store(site.lease)
    later.load()
    assert later.next_node() > node.id
    assert later.next_image() > image.id


def test_all_rows_or_none(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    with pytest.raises(RowConflict):
        site.store.commit([SaveNode(new_node(site), None), SaveNode(node, None)])
    assert site.only() == node
    # The failed one counts for nothing: the next goes through.
    assert site.store.commit([SaveNode(replace(node, az="z"), NodeState.BUILDING)]) == []


def test_a_person_wins(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.HOLD, "mine")
    assert site.store.changes() == [RowChanged(node.id, NodeState.HOLD, "mine")]
    ours = replace(node.with_state(NodeState.READY, 300.0, "theirs"), az="z")
    told = site.store.commit([SaveNode(ours, NodeState.BUILDING)])
    assert told == [RowChanged(node.id, NodeState.HOLD, "mine")]
    held = replace(ours, state=NodeState.HOLD, state_at=100.0, comment="mine")
    # Told until it is taken over, so that it cannot be lost.
    assert site.store.changes() == told
    assert site.store.commit([SaveNode(held, NodeState.HOLD)]) == []
    assert site.store.changes() == []
    assert site.only() == held


def test_a_person_who_wants_the_same_is_told_once(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.DELETE, "mine")
    ours = node.with_state(NodeState.DELETE, 300.0, "ours")
    told = site.store.commit([SaveNode(ours, NodeState.BUILDING)])
    assert told == [RowChanged(node.id, NodeState.DELETE, "mine")]
    assert site.store.changes() == []


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.USED, 9])
def test_states_that_are_not_peoples_are_set_back(site: Site, state: int) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, state)
    assert site.store.changes() == []
    tested = node.with_state(NodeState.TEST, 300.0)
    assert site.store.commit([SaveNode(tested, NodeState.BUILDING)]) == []
    assert site.only() == tested


def test_what_people_did_before_the_start_is_loaded_and_not_told(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.HOLD)
    store = site.new_store(site.lease)
    nodes, _, _ = store.load()
    assert nodes[0].state is NodeState.HOLD
    assert store.changes() == []


def test_only_nodes_that_were_held_for_their_job_count_for_it(site: Site) -> None:
    by_person, by_itself = new_node(site, job="unit"), new_node(site, job="unit")
    held = by_itself.with_state(NodeState.HOLD, 200.0)
    site.store.commit([SaveNode(by_person, None), SaveNode(by_itself, None)])
    site.store.commit([SaveNode(held, NodeState.BUILDING)])
    site.set_state(by_person.id, NodeState.HOLD)
    nodes, _, _ = site.new_store(site.lease).load()
    assert [node.job for node in nodes] == [None, "unit"]


def test_a_second_hold_is_told_and_not_overrun(site: Site) -> None:
    people = People(site.database)
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    assert people.set_state(node.id, NodeState.HOLD, 200.0, "mine")
    held = node.with_state(NodeState.HOLD, 200.0, "mine")
    assert site.store.commit([SaveNode(held, NodeState.HOLD)]) == []
    assert site.store.changes() == []
    assert people.set_state(node.id, NodeState.HOLD, 900.0, "still")
    told = [RowChanged(node.id, NodeState.HOLD, "still")]
    assert site.store.changes() == told
    over = held.with_state(NodeState.DELETE, 901.0, "ours")
    assert site.store.commit([SaveNode(over, NodeState.HOLD)]) == told
    again = replace(held, state_at=900.0, comment="still")
    assert site.only() == again
    assert site.store.commit([SaveNode(again, NodeState.HOLD)]) == []
    assert site.store.changes() == []
    assert site.store.commit([SaveNode(over, NodeState.HOLD)]) == []
    assert site.only() == over


def test_a_row_that_somebody_removed_comes_back(site: Site) -> None:
    node = new_node(site, machines=2)
    site.store.commit([SaveNode(node, None)])
    with site.database.write() as connection:
        connection.execute(NODE.delete())
    ready = node.with_state(NodeState.READY, 300.0)
    assert site.store.commit([SaveNode(ready, NodeState.BUILDING)]) == []
    assert site.only() == ready


def test_text_from_outside_never_stops_a_commit(site: Site) -> None:
    node = new_node(site, job="j\0\ud800" + "x" * 9000, comment="c" * 300)
    site.store.commit([SaveNode(node, None)])
    kept = site.only()
    assert kept.job is not None
    assert kept.job.startswith("j?xx")
    assert kept.comment == "c" * 255


def test_requests_are_told_until_they_are_answered(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    asked = [
        {"action": "update", "provider_name": "cloud", "image_name": "precise", "image_id": None},
        {"action": "delete", "provider_name": None, "image_name": None, "image_id": 4},
        {"action": "forget", "provider_name": None, "image_name": None, "image_id": 4},
        {"action": "paint", "provider_name": None, "image_name": None, "image_id": 4},
    ]
    with site.database.write() as connection:
        connection.execute(IMAGE_REQUEST.insert(), asked)
    wishes = site.store.requests()
    first, second, force, third = (each.request for each in wishes)
    assert wishes == [
        ImageRequested("cloud", "precise", first),
        ImageDeletionRequested(4, second),
        ImageDeletionRequested(4, force, force=True),
        RequestGarbled(third),
    ]
    assert "column=action value=paint" in caplog.text
    image = new_image(site)
    answered = [RemoveRequest(request) for request in (first, force, third)]
    site.store.commit([SaveImage(image), *answered])
    assert site.store.requests() == wishes[1:2]
    # With the rows that come of it, or not at all.
    node = new_node(site)
    with pytest.raises(RowConflict):
        site.store.commit([RemoveRequest(second), SaveNode(node, None), SaveNode(node, None)])
    assert site.store.requests() == wishes[1:2]


def test_the_id_of_a_request_is_never_given_again(site: Site) -> None:
    people = People(site.database)
    first = people.request_image("cloud", "precise")
    site.store.commit([RemoveRequest(first)])
    second = people.request_image("cloud", "precise")
    assert second != first
    site.store.commit([RemoveRequest(first)])
    assert people.is_waiting(second)


def test_what_people_do(site: Site) -> None:
    people = People(site.database)
    node, image = new_node(site, comment="was"), new_image(site)
    site.store.commit([SaveNode(node, None), SaveImage(image)])
    assert (people.nodes(), people.images()) == ([node], [image])
    assert people.set_state(node.id, NodeState.HOLD, 500.9, "look\0")
    assert site.store.changes() == [RowChanged(node.id, NodeState.HOLD, "look")]
    assert people.set_state(node.id, NodeState.DELETE, 600.0)
    assert site.store.changes() == [RowChanged(node.id, NodeState.DELETE, "look")]
    assert people.nodes() == [node.with_state(NodeState.DELETE, 600.0, "look")]
    assert not people.set_state(99, NodeState.HOLD, 500.0)

    first = people.add_job("unit", 1)
    second = people.add_job("docs", 2)
    assert people.jobs() == [JobRow(second, "docs", 2), JobRow(first, "unit", 1)]
    assert people.remove_job(first)
    assert not people.remove_job(first)
    assert site.store.holds() == {"docs": 2}

    request = people.request_image("cloud", "precise")
    deletion = people.request_image_deletion(image.id)
    assert deletion is not None
    assert people.request_image_deletion(99) is None
    assert people.is_waiting(request)
    assert site.store.requests() == [
        ImageRequested("cloud", "precise", request),
        ImageDeletionRequested(image.id, deletion),
    ]
    site.store.commit([RemoveRequest(request)])
    assert not people.is_waiting(request)

    before = people.daemon()
    assert (before.holder, before.nodepool_id) == ("one", site.store.nodepool_id())
    site.lease.renew()
    assert people.daemon().signs > before.signs
    site.lease.release()
    assert people.daemon().holder == ""


def test_a_database_is_checked_before_use(site: Site) -> None:
    site.database.check()
    with site.database.write() as connection:
        connection.execute(sa.text("UPDATE nodepool_schema_version SET version_num = '0001'"))
    with pytest.raises(StoreError, match="the database is of version 0001, and this program of"):
        site.database.check()
    with site.database.write() as connection:
        connection.execute(sa.text("DELETE FROM nodepool_schema_version"))
    with pytest.raises(StoreError, match="no tables yet"):
        site.database.check()
