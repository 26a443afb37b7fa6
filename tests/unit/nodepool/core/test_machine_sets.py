"""Nodes of several machines: their launch succeeds and fails as one."""

from __future__ import annotations

from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import CONFIG, Site


def test_a_set_of_machines_succeeds_and_fails_as_one() -> None:
    text = CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 2")
    site = Site(text)
    assert [call.hostname for call in site.take(commands.CreateServer)] == [
        "one-p-1",
        "one-p-1-1",
        "one-p-1-2",
    ]
    site = Site(text)
    keys = site.create()
    site.list()
    for key in keys[:2]:
        site.tell(events.Connected(key))
    assert site.take(commands.PrepareNode) == []
    site.tell(events.Connected(keys[2]))
    assert len(site.take_one(commands.PrepareNode).node.machines) == 3
    site = Site(text)
    keys = site.create()
    site.list()
    site.tell(events.StepFailed(keys[1], Step.CONNECT, "error.ssh"))
    assert site.rows[1].state is NodeState.DELETE
    assert len(site.take(commands.DeleteServer)) == 3


def launches(site: Site) -> list[tuple[int, str, float]]:
    """What was told of ends: machine, key, seconds."""
    found = []
    for name, *arguments in site.observer.told:
        if name == "subnode_launched":
            _, index, key, seconds = arguments
            found.append((index, key, seconds))
        elif name == "launch_ended":
            _, key, seconds, _ = arguments
            found.append((0, key, seconds))
    return found


def test_each_machine_of_a_set_counts_with_its_own_time() -> None:
    site = Site(CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 2"))
    keys = site.create()
    site.list()
    for index in (1, 0, 2):
        site.now += 10
        site.tell(events.Connected(keys[index]))
    site.prepare()
    site.now += 100
    site.register()
    assert launches(site) == [(1, "ready", 11.0), (2, "ready", 31.0), (0, "ready", 21.0)]


def test_what_is_not_up_when_its_set_fails_fails_with_it() -> None:
    site = Site(CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 3"))
    keys = site.create()
    site.list()
    site.tell(events.Connected(keys[1]))
    site.now += 10
    site.tell(events.StepFailed(keys[2], Step.CONNECT, "error.ssh"))
    site.tell(events.Connected(keys[3]))
    assert launches(site) == [
        (1, "ready", 1.0),
        (2, "error.ssh", 11.0),
        (3, "error.ssh", 11.0),
        (0, "error.ssh", 11.0),
    ]
