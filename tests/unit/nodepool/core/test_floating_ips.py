"""Floating IPs: which servers get one; none stays behind, and no foreign one goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.model import FloatingIp, MachineKey, NodeState, Owner
from tests.unit.nodepool.core.site import (
    CONFIG,
    KEY,
    Site,
    failed,
    provider_with,
    ready,
    ready_image,
)


def without_address() -> Site:
    """A site whose server has shown three lists that it has no public address."""
    site = Site()
    site.create()
    for _ in range(3):
        site.list(public_v4=None)
    return site


@pytest.mark.parametrize(
    ("text", "lists"), [(provider_with("pool: ext"), 1), (CONFIG, 3)], ids=["pool", "no-pool"]
)
def test_a_floating_ip_for_a_server_without_a_public_address(text: str, lists: int) -> None:
    site = Site(text)
    site.create()
    for _ in range(lists):
        assert site.calls == []
        site.list(public_v4=None)
    attach = site.take_one(commands.AttachAddress)
    assert attach.server_id == "s-node-1-0"
    site.list(public_v4=None)
    assert site.calls == []
    site.tell(events.AddressAttached(KEY, "fip-1", "198.51.100.1"))
    assert site.take_one(commands.Connect).address == "198.51.100.1"
    site.tell(events.StepFailed(KEY, Step.CONNECT, "error.ssh"))
    delete = site.take_one(commands.DeleteServer)
    assert (delete.floating_ip, delete.has_unknown) == ("fip-1", False)


def test_a_floating_ip_whose_answer_was_lost_is_looked_for() -> None:
    site = without_address()
    site.take_one(commands.AttachAddress)
    # killed here: the row alone tells that there may be one
    after = Site(nodes=(site.node,), images=())
    assert after.take_one(commands.DeleteServer).has_unknown


def test_no_floating_ip_is_looked_for_where_none_was_asked_for() -> None:
    for addresses in ({}, {"public_v4": None, "private_v4": None}):
        site = Site()
        site.create()
        site.list(**addresses)
        site.person(1, NodeState.DELETE)
        assert not site.take_one(commands.DeleteServer).has_unknown


def test_a_cloud_without_any_floating_ip_fails_the_launch() -> None:
    site = without_address()
    site.tell(events.StepFailed(KEY, Step.ADDRESS, "error.network", "none"))
    assert failed(site) == "error.network"


def with_floating_ip() -> Site:
    """A node that is ready, and is to go."""
    site = without_address()
    site.tell(events.AddressAttached(KEY, "f-1", "198.51.100.1"))
    site.connect()
    site.prepare()
    site.register()
    site.take(commands.AttachAddress)
    site.person(1, NodeState.DELETE)
    site.tell(events.Unregistered(1))
    site.calls = [each for each in site.calls if isinstance(each, commands.DeleteServer)]
    assert site.take_one(commands.DeleteServer).floating_ip == "f-1"
    return site


def test_a_floating_ip_that_went_before_its_server_is_not_asked_for_again() -> None:
    site = with_floating_ip()
    site.tell(events.AddressGone("p", "f-1"))
    assert site.rows[1].machines[0].floating_ip is None
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert 1 not in site.rows
    assert site.take(commands.DeleteAddress) == []


def test_a_floating_ip_that_outlives_its_server_keeps_the_row() -> None:
    site = with_floating_ip()
    site.tell(events.ServerGone("p", "s-node-1-0"))
    wanted = commands.DeleteAddress("p", "f-1", "s-node-1-0")
    assert site.take(commands.DeleteAddress) == [wanted]
    assert site.rows[1].room == 0
    site.tell(events.CronCame("cleanup"))
    assert site.take(commands.DeleteAddress) == [], "once at a time"
    site.wait(35)
    assert site.take(commands.DeleteAddress) == [wanted], "again, as nothing came of it"
    # killed here: the row knows it still
    after = Site(nodes=(site.rows[1],))
    assert after.take(commands.DeleteAddress) == [wanted]
    after.tell(events.AddressGone("other", "f-1"))
    assert 1 in after.rows
    after.tell(events.AddressGone("p", "f-1"))
    assert 1 not in after.rows
    after.wait(2000)
    assert after.take(commands.DeleteAddress) == []


def test_a_floating_ip_that_came_after_its_server_had_gone_goes() -> None:
    site = without_address()
    site.person(1, NodeState.DELETE)
    site.tell(events.AddressAttached(KEY, "f-1", "198.51.100.1"))
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.take_one(commands.DeleteAddress).floating_ip == "f-1"


def test_the_floating_ip_of_an_image_build_keeps_the_row() -> None:
    machine = replace(ready_image().machine, floating_ip="f-1", server_id="s")
    image = replace(ready_image(), machine=machine, keypair="k")
    site = Site(images=(image,))
    assert site.take_one(commands.DeleteAddress) == commands.DeleteAddress("p", "f-1", "s")
    assert site.take(commands.DeleteKeypair) == []
    site.tell(events.AddressGone("p", "f-1"))
    assert site.take_one(commands.DeleteKeypair).name == "k"
    assert site.pool.images[500].machine.floating_ip is None


def test_a_leaked_server_goes_with_its_floating_ip() -> None:
    site = ready()
    left = site.stray("left", MachineKey("node", 77))
    site.servers["left"] = replace(left, has_floating_ip=True)
    site.list()
    assert site.take_one(commands.DeleteServer).has_unknown


def test_only_our_own_unused_addresses_go() -> None:
    site = ready()
    mine, gone = Owner("p", KEY, "ours"), Owner("p", MachineKey("node", 77), "ours")
    addresses = (
        FloatingIp("attached", "s", gone),
        FloatingIp("in-the-making", None, mine),
        FloatingIp("foreign", None, None),
        FloatingIp("theirs", None, Owner("p", MachineKey("node", 77), "theirs")),
        FloatingIp("left", None, gone),
    )
    site.tell(events.AddressesListed("p", addresses, site.now))
    assert site.calls == [commands.DeleteAddress("p", "left")]
