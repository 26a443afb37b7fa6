"""The mark by which servers and addresses are known as this site's own."""

from __future__ import annotations

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.model import MachineKey, Owner, Server
from tests.unit.nodepool.core.site import KEY, Site, provider_with

OTHER_ID = provider_with("nodepool-id: mine")


def test_the_configured_id_is_the_mark() -> None:
    site = Site(OTHER_ID)
    assert site.take_one(commands.CreateServer).owner.nodepool_id == "mine"
    site.stray("x", MachineKey("node", 77))
    site.list()
    assert site.take(commands.DeleteServer) == []


def test_a_server_that_a_row_names_is_ours_under_any_mark() -> None:
    site = Site()
    site.create()
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    site.list()
    assert site.take_one(commands.Connect).key == KEY
    assert site.take(commands.DeleteServer) == []
    assert site.take(commands.CreateServer) == []


def test_a_create_that_is_not_answered_is_found_by_the_mark_it_was_given() -> None:
    site = Site()
    create = site.take_one(commands.CreateServer)
    asked = site.node
    late = Server("late", "ACTIVE", public_v4="192.0.2.1", owner=create.owner)
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    site.servers["late"] = late
    site.list()
    assert site.node.machines[0].server_id == "late"
    assert site.take_one(commands.Connect).key == KEY
    # and after a restart, where nothing but the row knows it
    site = Site(OTHER_ID, nodes=(asked,))
    site.servers["late"] = late
    site.list()
    assert site.take_one(commands.DeleteServer) == commands.DeleteServer("p", "late")


def test_what_is_made_for_a_server_is_marked_as_it_is() -> None:
    site = Site()
    site.create()
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    for _ in range(3):
        site.list(public_v4=None)
    assert site.take_one(commands.AttachAddress).owner == Owner("p", KEY, "ours")


def test_a_mark_that_is_neither_todays_nor_the_rows_is_let_be() -> None:
    site = Site(OTHER_ID)
    site.take(commands.CreateServer)
    for number, (key, mark) in enumerate(
        ((KEY, "ours"), (MachineKey("node", 77), "ours"), (KEY, "theirs"), (KEY, None))
    ):
        site.stray(f"x{number}", key, mark)
    site.list()
    assert site.calls == []
    assert site.node.machines[0].server_id is None
