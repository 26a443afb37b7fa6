"""What State keeps beside the rows: nodes by target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nodepool.core import events
from nodepool.model import Machine, Node, NodeState, Presence
from tests.unit.nodepool.core.site import CONFIG, Site

TWO = CONFIG + "  - name: u\n    jenkins: {url: 'http://u', user: u, apikey: k}\n"


def ready(number: int, target: str) -> Node:
    name = f"n-{number}"
    machine = Machine(name, Presence.EXISTS, f"s-{number}", "192.0.2.1")
    node = Node(number, "p", "one", target, NodeState.READY, 100.0, (machine,), name)
    return replace(node, registered=True)


class Untouched(dict[int, Node]):
    """Nobody may go through all of it."""

    def __iter__(self) -> Any:
        raise AssertionError("all nodes are looked at")

    values = items = keys = __iter__


def names(site: Site, target: str) -> list[str]:
    return [node.nodename for node in site.pool._state.nodes_of(target)]


def test_nodes_are_found_by_their_target() -> None:
    nodes = (ready(3, "t"), ready(1, "u"), ready(2, "t"), ready(4, "gone"))
    site = Site(TWO, nodes=nodes)
    assert [names(site, target) for target in ("t", "u", "gone", "none")] == [
        *(["n-3", "n-2"], ["n-1"], ["n-4"], []),
    ]
    site.start_build(site.rows[3])
    assert names(site, "t") == ["n-3", "n-2"]
    site.person(2, NodeState.DELETE)
    site.tell(events.Unregistered(2))
    site.tell(events.ServerGone("p", "s-2"))
    assert 2 not in site.rows
    assert "n-2" not in names(site, "t")


def test_a_node_that_is_launched_is_among_them() -> None:
    site = Site()
    assert names(site, "t") == [site.node.nodename]


def test_a_survey_looks_at_its_own_targets_nodes_alone() -> None:
    site = Site(TWO, nodes=tuple(ready(number, "t") for number in range(1, 9)))
    site.now += 100
    state = site.pool._state
    nodes, state.nodes = state.nodes, Untouched(state.nodes)
    computers = {node.nodename: events.Computer(idle=True) for node in site.rows.values()}
    site.pool.handle(events.TargetSurveyed("u", computers, site.now), site.now)
    site.pool.handle(events.TargetSurveyed("t", computers, site.now), site.now)
    assert dict(nodes) == site.rows
