"""What is shown of pauses, offline targets and full accounts: until when, why, how often."""

from __future__ import annotations

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.health import MOST_TEXT, in_short
from nodepool.core.obstacles import FULL, Hindrance, Obstacle
from nodepool.core.pauses import Place
from nodepool.core.steps import Step
from nodepool.model import Fault
from tests.unit.nodepool.core.shop import CONFIG, ONE_TARGET, ONLY_P, Shop, at_t

P = Place(provider="p")
T = Place(target="t")


def seen(shop: Shop) -> list[Obstacle]:
    return list(shop.pool.obstacles(shop.now))


def refuse(shop: Shop, text: str, fault: Fault = Fault.REFUSED) -> None:
    for create in shop.take(commands.CreateServer):
        shop.tell(events.CreateFailed(create.key, fault, text))


def test_a_pool_without_trouble_has_none() -> None:
    shop = Shop()
    shop.want(a=2)
    shop.run(20)
    assert (seen(shop), shop.pool.account_room()) == ([], {})


def test_a_refusal_shows_until_when_and_why_then_that_one_is_tried() -> None:
    shop = Shop(ONLY_P)
    shop.want(a=2)
    refuse(shop, "create: 500: out of  luck")
    (found,) = seen(shop)
    assert (found.place, found.hindrance) == (P, Hindrance.PAUSED)
    assert (found.reason, found.pauses) == ("create: 500: out of luck", 1)
    assert found.until == shop.now + 5
    shop.wait(5)
    (found,) = seen(shop)
    assert (found.hindrance, found.until) == (Hindrance.TRYING, None)
    refuse(shop, "again")
    (found,) = seen(shop)
    assert (found.reason, found.pauses, found.until) == ("again", 2, shop.now + 10)
    shop.run(20)
    assert seen(shop) == []


def test_after_a_pause_for_which_nothing_is_wanted_the_next_goes_alone() -> None:
    shop = Shop(ONLY_P)
    shop.want(a=1)
    refuse(shop, "no")
    shop.want()
    shop.wait(5)
    assert [each.hindrance for each in seen(shop)] == [Hindrance.DUE]


def test_servers_that_come_to_nothing_say_how() -> None:
    shop = Shop(ONLY_P)
    shop.want(a=3)
    shop.create()
    shop.list("p", "ERROR")
    (found,) = seen(shop)
    assert (found.place, found.hindrance, found.pauses) == (P, Hindrance.PAUSED, 1)
    said = "3 servers in a row went to ERROR or never became ACTIVE; the last: "
    assert found.reason == said + "the server went to ERROR"


def test_an_account_without_room_is_full_while_more_are_allowed() -> None:
    shop = Shop(ONLY_P)
    shop.tell(events.LimitsRead("p", 1, shop.now))
    assert shop.pool.account_room() == {"p": 1}
    assert seen(shop) == []
    shop.want(a=2)
    shop.run(30)
    assert shop.pool.account_room() == {"p": 0}
    assert seen(shop) == [Obstacle(P, Hindrance.FULL, FULL)]
    shop.tell(events.ConfigLoaded(parse_config(ONLY_P.replace("30", "1"), "f")))
    assert seen(shop) == []


def test_a_target_is_offline_since_the_first_word_of_it_and_for_the_last_reason() -> None:
    shop = Shop()
    shop.tell(events.TargetChecked("t", online=False, text="no answer"))
    began = shop.now
    shop.wait(60)
    shop.tell(events.TargetChecked("t", online=False, text="503"))
    assert seen(shop) == [Obstacle(T, Hindrance.OFFLINE, "503", since=began)]
    shop.tell(events.TargetChecked("t", online=True))
    assert seen(shop) == []


def test_a_target_that_takes_no_nodes_is_paused_then_tried() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=5)
    shop.pause()
    (found,) = seen(shop)
    assert (found.place, found.hindrance, found.pauses) == (T, Hindrance.PAUSED, 1)
    assert found.reason.endswith("launches in a row failed at step register: 500")
    assert found.until is not None
    shop.wait(found.until - shop.now)
    assert [each.hindrance for each in seen(shop)] == [Hindrance.TRYING]


def test_labels_are_paused_where_they_fail() -> None:
    shop = Shop()
    shop.fails[Step.PREPARE] = lambda node: node.label == "a"
    shop.want(a=10)
    shop.run(60)
    found = seen(shop)
    assert [each.place for each in found] == [Place("a", provider="p"), Place("a", provider="q")]
    assert all("step prepare: 500" in each.reason for each in found)


def test_what_left_the_configuration_is_in_nobodys_way() -> None:
    shop = Shop(CONFIG)
    shop.want(a=1)
    refuse(shop, "no")
    shop.tell(events.TargetChecked("t", online=False))
    assert {each.place for each in seen(shop)} >= {T}
    left = CONFIG.replace("name: p,", "name: x,").replace("{name: p}", "{name: x}")
    left = left.replace("{name: q, max", "{name: y, max").replace("{name: q}", "{name: y}")
    shop.tell(events.ConfigLoaded(parse_config(left.replace("- {name: t", "- {name: v"), "f")))
    assert seen(shop) == []


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        (" a\n\tb ", "a b"),
        ("\x1b[31m\u202ered", "[31m red"),
        ("x" * MOST_TEXT, "x" * MOST_TEXT),
        ("x" * 10**6, "x" * (MOST_TEXT - 1) + "\u2026"),
    ],
)
def test_reasons_are_one_short_line(text: str, short: str) -> None:
    assert in_short(text) == short
