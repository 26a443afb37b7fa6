"""Builds of which nobody heard, found in their target's list: what began and ended while nodepoold
was not there, or while the line to a publisher was down.

    want: nodes, each with the moment since when a build on it may have gone unheard
      -> ask: one question a target at a time, what comes meanwhile is for the next
      -> on_listed: each build is told as its events would have been; or on_not_listed: asked again

A ready node has had no build that was heard of, so any build on it since it became ready is news.
One that the target cannot vouch for is replaced: it may have served a build.
"""

from __future__ import annotations

from itertools import groupby

from nodepool.core import events, lifecycle, offline
from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import ReadBuilds, WantedBuilds
from nodepool.core.health import back_off
from nodepool.core.memory import Asked, Unheard
from nodepool.core.state import State
from nodepool.model import Node, NodeState

#: seconds by which clocks may differ
CLOCKS = 300.0
#: and by which a build may precede its node's being ready, besides
MARGIN = CLOCKS + lifecycle.READY_LAG
#: an answer comes within so many seconds, or never
ANSWER_SECONDS = 300.0
FIRST_RETRY, LONGEST_RETRY = 5.0, 60.0
#: seconds between an answer and the next question
PAUSE = 2.0

#: had no build that anybody heard of
_FRESH = frozenset((NodeState.BUILDING, NodeState.READY, NodeState.TEST))


def on_missed(state: State, event: events.BuildEventsMissed, now: float) -> None:
    """Which targets the publisher tells of is not known. The end of a build that was heard of is
    found by the next survey."""
    for target in state.config.targets:
        want_fresh(state, target, event.since, now)


def want_fresh(state: State, target: str, since: float, now: float) -> None:
    """Nobody may have heard of builds that began since then."""
    for node in state.nodes_of(target):
        if node.state is NodeState.READY:
            want(state, node, max(since, node.state_at))
        elif node.state in _FRESH:
            want(state, node, node.state_at)
    ask(state, target, now)


def want(state: State, node: Node, since: float) -> None:
    """Its builds since then are to be asked for; `ask` follows. Does nothing where there is no
    Jenkins that knows the node."""
    target = state.find_target(node.target)
    if node.registered and target is not None and target.jenkins is not None:
        waiting = state.unheard.setdefault(node.target, Unheard()).waiting
        waiting[node.id] = min(since, waiting.get(node.id, since))


def is_awaited(state: State, node: Node) -> bool:
    """Whether a question for its builds is out, or will be."""
    unheard = state.unheard.get(node.target)
    return unheard is not None and (node.id in unheard.waiting or node.id in unheard.asked)


def oldest_doubt(state: State, target: str) -> float:
    """Since when a build may have gone unheard that no survey would find; infinity: there is no
    such doubt. Of nodes with a build a survey finds the end."""
    unheard = state.unheard.get(target, Unheard())
    moments = [(node_id, each.since) for node_id, each in unheard.asked.items()]
    moments += unheard.waiting.items()
    nodes = state.nodes
    fresh = (at for key, at in moments if key in nodes and nodes[key].state in _FRESH)
    return min(fresh, default=float("inf"))


def ask(state: State, target: str, now: float) -> None:
    """Ask for whatever waits, unless a question is out or a pause not over."""
    unheard = state.unheard.get(target)
    timer = ("builds", target)
    if unheard is None or unheard.asked or state.timers.due_at(timer) is not None:
        return
    waiting, unheard.waiting = unheard.waiting, {}
    wanted = []
    for node_id, since in waiting.items():
        node = state.nodes.get(node_id)
        if node is not None and (node.state in _FRESH or node.is_busy):
            unheard.asked[node_id] = Asked(since, node.state, node.job)
            wanted.append(WantedBuilds(node.nodename, since - MARGIN, node.job))
    if wanted:
        state.try_again(timer)
        state.timers.set(timer, now + ANSWER_SECONDS)
        state.call(ReadBuilds(target, tuple(wanted)))


def on_not_listed(state: State, event: events.BuildsNotListed, now: float) -> None:
    timer = ("builds", event.target)
    unheard = state.unheard.get(event.target)
    if unheard is not None and unheard.asked:
        _take_back(unheard)
        tries = state.tries.get(timer, 1)
        state.timers.set(timer, now + back_off(tries, FIRST_RETRY, LONGEST_RETRY))


def on_due(state: State, target: str, now: float) -> None:
    """A pause is over; or no answer came."""
    unheard = state.unheard.get(target)
    if unheard is not None:
        _take_back(unheard)
        ask(state, target, now)


def _take_back(unheard: Unheard) -> None:
    for node_id, asked in unheard.asked.items():
        since = unheard.waiting.get(node_id, asked.since)
        unheard.waiting[node_id] = min(asked.since, since)
    unheard.asked.clear()


def on_listed(state: State, event: events.BuildsListed, now: float) -> None:
    unheard = state.unheard.get(event.target)
    if unheard is None or not unheard.asked:
        return  # another question is on its way
    asked, unheard.asked = unheard.asked, {}
    timer = ("builds", event.target)
    state.tries.pop(timer, None)
    state.timers.set(timer, now + PAUSE)
    rows = sorted(event.builds, key=lambda each: (each.nodename, each.started_at, each.number))
    for nodename, builds in groupby(rows, key=lambda each: each.nodename):
        node = lifecycle.find_node(state, nodename)
        if node is not None and _is_as_asked(node, asked.get(node.id)):
            _tell(state, node, list(builds), asked[node.id].since, now)
    for nodename in sorted(event.unsure):
        node = lifecycle.find_node(state, nodename)
        if node is not None and node.state is NodeState.READY and node.id in asked:
            state.observer.event_made_up(node, "whether a build ran on it cannot be told any more")
            offline.set_offline(state, node, now)
            lifecycle.done(state, node, None, now)


def _is_as_asked(node: Node, asked: Asked | None) -> bool:
    """Else a build was heard of meanwhile, and so will its end be; that a node became ready is no
    word of a build."""
    if asked is None or node.state in _FRESH:
        return asked is not None
    return (node.state, node.job) == (asked.state, asked.job)


def _tell(state: State, node: Node, builds: list[ListedBuild], since: float, now: float) -> None:
    """Builds on one node, the oldest first."""
    if node.state is NodeState.USED and builds[-1].building and node.job is not None:
        return  # it is the one that was heard of
    if builds[-1].building:
        state.observer.event_made_up(node, "a build runs on it, as its target lists")
        lifecycle.on_build_started(state, builds[-1].started, now)
        return
    if builds[-1].status is None and node.state is NodeState.USED:
        # Its result comes a moment after its end. The surveys wait, but not for ever.
        want(state, node, since)
        return
    state.observer.event_made_up(node, "a build is over, as its target lists")
    for build in builds:
        if build.status is not None:
            lifecycle.on_build_finalized(state, build.finalized, now)
        elif state.nodes[node.id].state in _FRESH:
            # An unknown result is nothing to hold a node for.
            if not build.offline_wanted:
                offline.set_offline(state, node, now)
            lifecycle.done(state, node, build.job, now)
