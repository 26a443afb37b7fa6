"""Addresses of a server that is being launched: which is taken, and how long it is waited for."""

from __future__ import annotations

from nodepool.core import commands
from nodepool.core.machines import ADDRESS_TIMEOUT
from tests.unit.nodepool.core.site import CONFIG, Site, failed, provider_with


def test_an_ipv6_address_if_preferred_and_there() -> None:
    preferred = provider_with("ipv6-preferred: true")
    for text, v6, expected in (
        (preferred, "2001:db8::1", "2001:db8::1"),
        (preferred, None, "192.0.2.1"),
        (CONFIG, "2001:db8::1", "192.0.2.1"),
    ):
        site = Site(text)
        site.create()
        site.list(public_v6=v6)
        assert site.take_one(commands.Connect).address == expected


def test_an_address_may_show_up_some_lists_after_active() -> None:
    site = Site()
    site.create()
    for _ in range(25):
        site.list(public_v4=None, private_v4=None)
    assert site.pool.providers_to_watch() == {"p"}
    assert site.calls == []
    site.list()
    assert site.take_one(commands.Connect).address == "192.0.2.1"
    site.wait(ADDRESS_TIMEOUT)  # its time for an address is no more
    assert site.observer.counts["launch_ended error.ssh"] == 1


def test_a_server_that_has_no_address_after_a_while_fails() -> None:
    site = Site()
    site.create()
    for _ in range(30):
        site.list(public_v4=None, private_v4=None)
        assert site.states() == ["building"]
    site.list(public_v4=None, private_v4=None)
    assert failed(site) == "error.network"
    assert "no address at all" in str(site.rows[1].comment)


def test_two_more_lists_have_to_show_that_there_is_no_address() -> None:
    site = Site()
    site.create()
    site.list(public_v4=None, private_v4=None)
    site.now += 100
    site.list(public_v4=None, private_v4=None)
    assert site.states() == ["building"]
    site.list(public_v4=None, private_v4=None)
    assert failed(site) == "error.network"


def test_a_server_that_is_not_listed_again_after_it_had_no_address() -> None:
    site = Site()
    site.create()
    site.now += 3590  # what is left of its time to become ACTIVE does not matter any more
    site.list(public_v4=None)
    site.wait(ADDRESS_TIMEOUT - 1)
    assert site.states() == ["building"]
    site.wait(1)
    assert failed(site) == "error.network"
    assert "at step address" in str(site.rows[1].comment)
