"""Up to when all was heard: what is saved of it, and what a restart asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import events
from nodepool.core.commands import ReadBuilds
from nodepool.core.heard import SAVE_EVERY
from nodepool.core.unheard import CLOCKS, MARGIN
from nodepool.model import Heard, Machine, Node, NodeState, Presence
from tests.unit.nodepool.core.site import CONFIG, Site

P, Q = "tcp://p:1", "tcp://q:1"
LISTENING = CONFIG + f"zmq-publishers: ['{P}']\n"
BOTH = CONFIG + f"zmq-publishers: ['{P}', '{Q}']\n"
SECOND = "  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k}}\n"
TWO_TARGETS = CONFIG + SECOND + f"zmq-publishers: ['{P}']\n"


def ready(number: int = 1, target: str = "t", at: float = 100.0) -> Node:
    name = f"n-{number}"
    machine = Machine(name, Presence.EXISTS, f"s-{number}", "192.0.2.1")
    node = Node(number, "p", "one", target, NodeState.READY, at, (machine,), name)
    return replace(node, registered=True)


def asked(site: Site) -> dict[str, float]:
    """Since when nodes are asked for."""
    calls = site.take(ReadBuilds)
    return {each.nodename: each.since + MARGIN for call in calls for each in call.wanted}


def answer(site: Site, *targets: str) -> None:
    for target in targets or ("t",):
        site.tell(events.BuildsListed(target, ()))


def hear(site: Site, until: float | None = None, publisher: str = P) -> None:
    site.tell(events.BuildEventsHeard(publisher, site.now if until is None else until))


def running(text: str = LISTENING, *nodes: Node) -> Site:
    """All was asked for, some time ago."""
    site = Site(text, nodes=nodes or (ready(),))
    site.take(ReadBuilds)
    answer(site, *site.config.targets)
    site.wait(100)
    return site


def known(p: float = 700.0, t: float = 700.0, **targets: float) -> Heard:
    return Heard({P: p}, {"t": t, **targets})


# -- what a restart asks for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "since"),
    [
        (known(), 700.0),
        (known(p=600.0), 600.0),
        (known(t=650.0), 650.0),
        (known(p=50.0), 100.0),
        (known(p=1000.0 + CLOCKS, t=1000.0 + CLOCKS), 1000.0 + CLOCKS),
        # Saved by a clock that was wrong.
        (known(p=1001.0 + CLOCKS, t=1001.0 + CLOCKS), 100.0),
        (Heard(), 100.0),
        (Heard({Q: 700.0}, {"t": 700.0}), 100.0),
        (Heard({P: 700.0}, {"u": 700.0}), 100.0),
    ],
)
def test_a_restart_asks_since_all_was_heard(heard: Heard, since: float) -> None:
    site = Site(LISTENING, nodes=(ready(),), heard=heard)
    assert asked(site) == {"n-1": since}


def test_a_node_that_is_ready_since_then_is_asked_for_since_then() -> None:
    site = Site(LISTENING, nodes=(ready(at=800.0),), heard=known())
    assert asked(site) == {"n-1": 800.0}


def test_a_publisher_that_is_new_makes_all_unknown() -> None:
    assert asked(Site(BOTH, nodes=(ready(),), heard=known())) == {"n-1": 100.0}


def test_a_publisher_that_is_no_more_does_not_matter() -> None:
    heard = Heard({P: 700.0, Q: 200.0}, {"t": 700.0})
    assert asked(Site(LISTENING, nodes=(ready(),), heard=heard)) == {"n-1": 700.0}


def test_without_a_publisher_nothing_is_known() -> None:
    assert asked(Site(nodes=(ready(),), heard=known())) == {"n-1": 100.0}


def test_a_target_that_is_new_is_asked_for_all() -> None:
    site = Site(TWO_TARGETS, nodes=(ready(1, "t"), ready(2, "u")), heard=known())
    assert asked(site) == {"n-1": 700.0, "n-2": 100.0}


# -- what is saved ---------------------------------------------------------------------------------


def test_what_was_heard_is_saved() -> None:
    site = running()
    hear(site, site.now - 7)
    assert site.heard == [Heard({P: site.now - 7}, {"t": site.now})]


def test_but_not_each_time() -> None:
    site = running()
    hear(site)
    site.now += SAVE_EVERY - 1
    hear(site)
    assert len(site.heard) == 1
    site.now += 1
    hear(site)
    assert len(site.heard) == 2


def test_each_publisher_vouches_for_itself() -> None:
    site = running(BOTH)
    hear(site)
    assert site.heard == [Heard({P: site.now, Q: 1000.0}, {"t": site.now})]


def test_a_word_that_comes_late_takes_nothing_back() -> None:
    site = running()
    hear(site)
    first = site.now
    site.now += SAVE_EVERY
    hear(site, first - 50)
    assert site.heard[-1].publishers == {P: first}


def test_a_clock_that_was_set_back_does() -> None:
    site = running()
    hear(site)
    site.now -= 50
    hear(site, site.now - 20)
    assert site.heard[-1] == Heard({P: site.now}, {"t": site.now})


def test_a_publisher_that_left_is_passed_over() -> None:
    site = running()
    hear(site, publisher=Q)
    assert site.heard == []


# -- doubts ----------------------------------------------------------------------------------------


def saved(site: Site) -> Mapping[str, float]:
    site.now += SAVE_EVERY
    hear(site)
    return site.heard[-1].targets


def test_what_is_asked_for_is_in_doubt_until_it_is_answered() -> None:
    site = Site(LISTENING, nodes=(ready(),), heard=known())
    assert saved(site) == {"t": 700.0}
    site.tell(events.BuildsNotListed("t", "500"))
    assert saved(site) == {"t": 700.0}
    site.wait(0)
    answer(site)
    assert saved(site) == {"t": site.now}


def test_what_was_missed_is_in_doubt() -> None:
    """Be it asked for now or later; the doubts of one target are none of another's."""
    site = running(TWO_TARGETS, ready(1, "t"), ready(2, "u"))
    since = site.now - 40
    site.tell(events.BuildEventsMissed(since))
    assert saved(site) == {"t": since, "u": since}
    site.tell(events.BuildEventsMissed(since - 5))
    answer(site, "u")
    assert saved(site) == {"t": since - 5, "u": since - 5}
    site.wait(10)
    answer(site, "u")
    assert saved(site) == {"t": since - 5, "u": site.now}


def test_a_restart_asks_again_for_what_was_in_doubt() -> None:
    site = running()
    site.tell(events.BuildEventsMissed(site.now - 40))
    since = site.now - 40
    site.tell(events.BuildsNotListed("t", "500"))
    saved(site)
    again = Site(LISTENING, nodes=(ready(),), heard=site.heard[-1])
    assert asked(again) == {"n-1": since}


def test_nodes_with_a_build_are_not_in_doubt() -> None:
    """A survey finds its end, be it after a restart."""
    site = running()
    site.tell(events.BuildEventsMissed(site.now - 40))
    site.start_build(site.rows[1])
    assert saved(site) == {"t": site.now}


def test_nor_are_those_that_are_no_more() -> None:
    site = running()
    site.tell(events.BuildEventsMissed(site.now - 40))
    site.person(1, NodeState.DELETE)
    site.tell(events.Unregistered(1))
    site.tell(events.ServerGone("p", "s-1"))
    assert 1 not in site.rows
    assert saved(site) == {"t": site.now}


def test_a_target_that_cannot_be_asked_is_not_saved() -> None:
    """It may be one day."""
    text = LISTENING.replace("    jenkins: {url: 'http://t', user: u, apikey: k}\n", "")
    site = Site(text, nodes=(ready(),))
    assert saved(site) == {}


def test_rows_of_what_was_heard_come_no_later() -> None:
    """The build's effect is in the answer before."""
    site = running()
    site.start_build(site.rows[1])
    assert site.rows[1].state is NodeState.USED
    assert site.heard == []
    hear(site)
    assert len(site.heard) == 1


# -- another configuration -------------------------------------------------------------------------


def load(site: Site, text: str) -> None:
    site.config = parse_config(text, "site")
    site.tell(events.ConfigLoaded(site.config))


def test_a_publisher_that_comes_has_all_asked_for() -> None:
    site = running()
    hear(site)
    load(site, BOTH)
    assert asked(site) == {"n-1": 100.0}
    assert saved(site) == {"t": 100.0}
    assert set(site.heard[-1].publishers) == {P, Q}
    load(site, LISTENING)
    assert asked(site) == {}
    saved(site)
    assert set(site.heard[-1].publishers) == {P}


def test_a_target_that_comes_has_its_nodes_asked_for() -> None:
    site = running(LISTENING, ready(1, "t"), ready(2, "u"))
    load(site, TWO_TARGETS)
    assert asked(site) == {"n-2": 100.0}


def test_so_has_one_that_gets_its_jenkins() -> None:
    jenkins = "    jenkins: {url: 'http://t', user: u, apikey: k}\n"
    site = Site(LISTENING.replace(jenkins, ""), nodes=(ready(),))
    assert asked(site) == {}
    load(site, LISTENING)
    assert asked(site) == {"n-1": 100.0}


def test_another_change_asks_for_nothing() -> None:
    site = running()
    load(site, LISTENING.replace("min-ready: 1", "min-ready: 0"))
    assert asked(site) == {}
