"""What is launched, and where: configuration, nodes and demand together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.steps import Step
from nodepool.model import Fault
from tests.unit.nodepool.core.site import CONFIG, GEARMAN, Site, ready_image

LABEL = "  - {{name: {}, image: i, min-ready: {}, subnodes: {}, providers: {}}}"
PROVIDER = "  - {{name: {}, max-servers: {}, images: [{{name: i, min-ram: 1, base-image: b}}]}}"


def text(
    labels: dict[str, tuple[int, int, str]], providers: dict[str, int], targets: str = "t"
) -> str:
    """Labels by name: min-ready, subnodes, providers; providers by name: max-servers."""
    lines = ["labels:"]
    for name, (min_ready, subnodes, on) in labels.items():
        where = "[" + ", ".join(f"{{name: {each}}}" for each in on) + "]"
        lines.append(LABEL.format(name, min_ready, subnodes, where))
    lines.append("providers:")
    lines += [PROVIDER.format(name, most) for name, most in providers.items()]
    lines.append("targets: [" + ", ".join(f"{{name: {each}}}" for each in targets) + "]")
    return "\n".join(lines) + "\n" + GEARMAN


def where(site: Site) -> Counter[str]:
    return Counter(f"{node.label}@{node.provider}" for node in site.rows.values())


def demand(site: Site, **wanted: int) -> None:
    site.tell(events.DemandRead(wanted, site.now))


def test_min_ready_is_spread_over_providers_and_targets() -> None:
    site = Site(text({"a": (8, 0, "pq")}, {"p": 30, "q": 10}, targets="tu"))
    assert where(site) == {"a@p": 6, "a@q": 2}
    assert Counter(node.target for node in site.rows.values()) == {"t": 4, "u": 4}


def test_work_comes_before_warm_nodes() -> None:
    site = Site(text({"a": (9, 0, "p"), "b": (0, 0, "p")}, {"p": 0}))
    demand(site, b=3)
    site.tell(
        events.ConfigLoaded(parse_config(text({"a": (9, 0, "p"), "b": (0, 0, "p")}, {"p": 5}), "f"))
    )
    assert where(site) == {"b@p": 3, "a@p": 2}


def test_nobody_keeps_warm_what_work_did_not_get() -> None:
    site = Site(text({"a": (5, 0, "p"), "b": (0, 0, "p")}, {"p": 4}))
    assert where(site) == {"a@p": 4}
    demand(site, a=2, b=2)
    assert where(site) == {"a@p": 4}


def test_a_quota_is_filled_to_the_last_machine() -> None:
    labels = dict.fromkeys("abcdefg", (0, 0, "pqr"))
    site = Site(text(labels, {"p": 7, "q": 5, "r": 3}))
    demand(site, **dict.fromkeys(labels, 9))
    assert sum(where(site).values()) == 15


def test_nodes_with_subnodes_fit() -> None:
    site = Site(text({"a": (0, 2, "pq")}, {"p": 10, "q": 2}))
    demand(site, a=10)
    assert where(site) == {"a@p": 3}
    assert len(site.take(commands.CreateServer)) == 9


@pytest.mark.parametrize("most", [0, -1])
def test_a_provider_that_drains_gets_nothing(most: int) -> None:
    assert Site(text({"a": (2, 0, "p")}, {"p": most})).rows == {}


def test_a_provider_without_the_image_gets_nothing() -> None:
    site = Site(text({"a": (4, 0, "pq")}, {"p": 9, "q": 9}), images=(ready_image(provider="q"),))
    assert where(site) == {"a@q": 4}


def test_targets_that_are_offline_get_no_nodes_and_theirs_do_not_count() -> None:
    site = Site(text({"a": (4, 0, "p")}, {"p": 9}, targets="tu"))
    site.tell(events.TargetChecked("t", online=False))
    assert Counter(node.target for node in site.rows.values()) == {"t": 2, "u": 4}
    site.tell(events.TargetChecked("u", online=False))
    assert len(site.rows) == 6
    site.tell(events.TargetChecked("u", online=True))
    site.tell(events.TargetChecked("t", online=True))
    assert len(site.rows) == 6


def test_a_label_of_2013_goes_to_its_own_targets() -> None:
    site = Site("""\
providers: [{name: p, max-servers: 9, images: [{name: i, min-ram: 1, base-image: b}]}]
targets:
  - {name: t}
  - {name: u, images: [{name: i, providers: [{name: p, min-ready: 3}]}]}
""")
    assert [node.target for node in site.rows.values()] == ["u"] * 3


def test_a_label_that_is_off_wants_nothing() -> None:
    site = Site(text({"a": (-1, 0, "p")}, {"p": 9}))
    demand(site, a=5)
    assert site.rows == {}


def test_a_refusing_provider_is_left_alone_and_others_go_on() -> None:
    site = Site(text({"a": (0, 0, "pq")}, {"p": 10, "q": 10}))
    demand(site, a=4)
    assert where(site) == {"a@p": 2, "a@q": 2}
    for call in site.take(commands.CreateServer):
        if call.provider == "p":
            site.tell(events.CreateFailed(call.key, Fault.REFUSED, "403"))
    assert where(site) == {"a@q": 4}
    assert site.observer.counts["provider_refused"] == 1


def test_a_cloud_whose_servers_go_to_error_is_asked_less_and_less() -> None:
    site = Site(text({"a": (0, 0, "p")}, {"p": 20}))
    demand(site, a=20)
    asked, began = 0, site.now
    while site.now < began + 3600:
        asked += len(site.create())
        site.list(status="ERROR")
        for call in site.take(commands.DeleteServer):
            site.servers.pop(call.server_id, None)
            site.tell(events.ServerGone("p", call.server_id))
        site.wait(1)
    assert 20 < asked < 40
    assert 5 < site.observer.counts["provider_refused"] < 15
    while not site.create():  # no list, no event: the pause's end is enough
        site.wait(60)
    site.list()
    assert len(site.take(commands.CreateServer)) == 19


@pytest.mark.parametrize("step", [Step.ADDRESS, Step.CONNECT])
def test_work_goes_elsewhere_while_a_cloud_s_servers_come_to_nothing(step: Step) -> None:
    site = Site(text({"a": (0, 0, "pq")}, {"p": 100, "q": 100}))
    demand(site, a=4)
    broken = 0
    for _ in range(120):
        keys = [key for key in site.create() if site.rows[key.id].provider == "p"]
        broken += len(keys)
        if step is Step.CONNECT:
            site.list()
            for key in keys:
                site.tell(events.StepFailed(key, Step.CONNECT, "error.ssh", "no answer"))
        else:
            site.list(public_v4=None, private_v4=None)
        for call in site.take(commands.DeleteServer):
            site.servers.pop(call.server_id, None)
            site.tell(events.ServerGone("p", call.server_id))
        site.wait(1)
    assert {node.provider for node in site.rows.values()} == {"q"}
    assert len(site.rows) == 4
    assert broken <= 5


def test_servers_that_an_unproven_image_keeps_shut_are_not_the_cloud_s_fault() -> None:
    new = replace(ready_image(), proven=False)
    site = Site(text({"a": (0, 0, "p")}, {"p": 20}), images=(new,))
    demand(site, a=4)
    for key in site.create():
        site.list()
        site.tell(events.StepFailed(key, Step.CONNECT, "error.ssh", "no answer"))
    assert site.observer.counts["provider_refused"] == 0


def test_another_configuration_is_tried_at_once() -> None:
    site = Site(text({"a": (0, 0, "p")}, {"p": 20}))
    demand(site, a=4)
    site.create()
    site.list(status="ERROR")
    assert site.take(commands.CreateServer) == []
    site.tell(events.ConfigLoaded(site.config))
    assert len(site.take(commands.CreateServer)) == 4


def test_a_full_account_is_asked_for_its_quota() -> None:
    site = Site(text({"a": (0, 0, "p")}, {"p": 10}))
    site.tell(events.LimitsRead("p", 3, site.now))
    demand(site, a=9)
    assert len(site.take(commands.CreateServer)) == 3
    site.tell(events.CreateFailed(events.MachineKey("node", 1), Fault.QUOTA, "full"))
    assert site.take_one(commands.ReadLimits).provider == "p"
    site.wait(5)
    assert site.take(commands.CreateServer) == []
    site.tell(events.LimitsRead("p", 9, site.now))
    assert site.take(commands.CreateServer) == []  # two are under way: one goes alone, then


def test_an_account_is_asked_again_for_what_went_since_it_was_asked() -> None:
    site = Site(text({"a": (0, 0, "p")}, {"p": 10}))
    site.tell(events.LimitsRead("p", 2, site.now))
    demand(site, a=2)
    site.launch()
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.take_one(commands.ReadLimits).provider == "p"
    site.wait(1)
    site.tell(events.ServerGone("p", "s-node-2-0"))
    assert site.take(commands.ReadLimits) == []  # not more often than every few seconds
    site.wait(5)
    assert site.take_one(commands.ReadLimits).provider == "p"
    site.wait(30)
    assert site.take(commands.ReadLimits) == []


def test_creates_come_in_portions_that_follow_each_other() -> None:
    site = Site(text({"a": (0, 0, "p")}, {"p": 120}))
    demand(site, a=120)
    assert len(site.rows) == 50
    while site.create():
        pass
    assert len(site.rows) == 120


def test_a_slow_cloud_is_asked_for_what_gets_its_turn_in_time() -> None:
    slow = "{name: p, rate: 10.0, launch-timeout: 120,"
    site = Site(text({"a": (0, 0, "p")}, {"p": 120}).replace("{name: p,", slow))
    demand(site, a=120)
    created = []
    while (calls := site.take(commands.CreateServer)) and len(created) < 20:
        assert len(calls) <= 3
        created += calls
        site.now += 10
        for call in calls:
            site.tell(events.ServerCreated(call.key, f"s-{call.key.id}"))
    assert len(created) >= 20


def test_waiting_labels_take_turns() -> None:
    labels = dict.fromkeys("abc", (0, 0, "p"))
    site = Site(text(labels, {"p": 1}))
    demand(site, a=5, b=5, c=5)
    served = []
    for number in range(1, 7):
        served.append(site.rows[number].label)
        call = site.take_one(commands.CreateServer)
        site.tell(events.CreateFailed(call.key, Fault.IMPOSSIBLE))
        site.wait(600)
    assert Counter(served) == {"a": 2, "b": 2, "c": 2}


def test_a_reload_changes_what_is_wanted() -> None:
    site = Site(CONFIG)
    site.tell(
        events.ConfigLoaded(parse_config(CONFIG.replace("min-ready: 1", "min-ready: 3"), "f"))
    )
    assert len(site.rows) == 3
