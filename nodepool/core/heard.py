"""Up to when all was heard: kept in the database, so that a restart asks targets for the builds
that began since then, and not since their nodes are ready.

    a publisher vouches for what it sent until then: told before, or told to be missed
    what was missed is in doubt, node by node, until the target answers (unheard.py)
    both are saved, with or after the rows of what was heard before

Nothing is known of a publisher or target that was not in the configuration meanwhile.
"""

from __future__ import annotations

from nodepool.config.values import NodepoolConfig
from nodepool.core import events, unheard
from nodepool.core.state import State
from nodepool.model import Heard

#: seconds from one write to the next, at least
SAVE_EVERY = 10.0
NEVER = float("-inf")


def begin(state: State, heard: Heard, now: float) -> None:
    """`heard`: what the nodepoold before saved. All since then is in doubt."""
    for target in state.config.targets:
        unheard.want_fresh(state, target, _since(state.config, heard, target, now), now)
    state.heard = dict.fromkeys(state.config.zmq_publishers, now)


def _since(config: NodepoolConfig, heard: Heard, target: str, now: float) -> float:
    """Which publisher tells of the target is not known."""
    moments = [heard.publishers.get(each, NEVER) for each in config.zmq_publishers]
    since = min(heard.targets.get(target, NEVER), min(moments, default=NEVER))
    # By a clock that was wrong; or by another that goes before this one, but for so much.
    return since if since <= now + unheard.CLOCKS else NEVER


def config_changed(state: State, former: NodepoolConfig, now: float) -> None:
    """Builds may have run that a publisher told nobody of, or on nodes nobody asked for."""
    config = state.config
    if set(config.zmq_publishers) <= set(former.zmq_publishers):
        new = _targets(config) - _targets(former)
    else:
        new = _targets(config)
    for target in sorted(new):
        unheard.want_fresh(state, target, NEVER, now)
    state.heard = {each: state.heard.get(each, now) for each in config.zmq_publishers}


def _targets(config: NodepoolConfig) -> set[str]:
    """Those that can be asked."""
    return {name for name, target in config.targets.items() if target.jenkins is not None}


def on_heard(state: State, event: events.BuildEventsHeard, now: float) -> None:
    former = state.heard.get(event.publisher)
    if former is None:
        return  # it left the configuration
    # A clock that was set back takes what it said before with it.
    state.heard[event.publisher] = min(max(former, event.until), now)
    if not 0 <= now - state.heard_saved_at < SAVE_EVERY:
        state.heard_saved_at = now
        doubts = {each: unheard.oldest_doubt(state, each) for each in _targets(state.config)}
        targets = {name: min(since, now) for name, since in sorted(doubts.items())}
        state.save_heard(Heard(dict(state.heard), targets))
