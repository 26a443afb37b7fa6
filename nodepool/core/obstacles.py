"""Obstacles: what keeps launches from going, for people to look at. It decides nothing.

They are taken when somebody looks, never for an event, and cost what the configuration's size does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from nodepool.core.pauses import Place
from nodepool.core.state import State

FULL = "the account has room for no more servers"


class Hindrance(Enum):
    """How an obstacle keeps launches from going."""

    #: none goes until a known time
    PAUSED = "paused"
    #: the one launch that went alone after a pause is under way
    TRYING = "trying"
    #: the next launch goes alone
    DUE = "due"
    #: the account's quota is used up
    FULL = "full"
    #: the target takes no nodes
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """At one place, for one reason."""

    place: Place
    hindrance: Hindrance
    #: one line of bounded length, from outside
    reason: str
    #: pauses in a row
    pauses: int = 0
    #: epoch seconds; of PAUSED only
    until: float | None = None
    #: epoch seconds; of OFFLINE only
    since: float | None = None


def find_obstacles(state: State, now: float) -> Iterator[Obstacle]:
    """Of providers, targets and labels that are configured, in this order."""
    for name in state.config.providers:
        yield from _of_provider(state, name, now)
    for name in state.config.targets:
        if outage := state.offline.get(name):
            place = Place(target=name)
            yield Obstacle(place, Hindrance.OFFLINE, outage.reason, since=outage.since)
    paused = [place for place, pause in state.pauses.items() if pause.stalls]
    for place in sorted(paused, key=_in_order):
        pause = state.pauses[place]
        yield _obstacle(
            place,
            pause.reason,
            pause.stalls,
            pause.stalled_until,
            now,
            tried=pause.trial in state.launches,
        )


def find_room(state: State) -> dict[str, int]:
    """By provider: servers that the account takes besides ours, where it told so."""
    found = {}
    for name in state.config.providers:
        health = state.health.get(name)
        if health is not None and health.room is not None:
            found[name] = max(0, health.room)
    return found


def _of_provider(state: State, name: str, now: float) -> Iterator[Obstacle]:
    health = state.health.get(name)
    if health is None:
        return
    place = Place(provider=name)
    until = max(health.blocked_until, health.stalled_until)
    tried = bool(health.under_way) or now < health.trial_until
    for reason, pauses in ((health.refusal, health.refusals), (health.reason, health.stalls)):
        if pauses:
            yield _obstacle(place, reason, pauses, until, now, tried=tried)
    may_have_more = state.census.room[name] < state.config.providers[name].max_servers
    if health.room is not None and health.room <= 0 and may_have_more:
        yield Obstacle(place, Hindrance.FULL, FULL)


def _obstacle(
    place: Place, reason: str, pauses: int, until: float, now: float, *, tried: bool
) -> Obstacle:
    if now < until:
        return Obstacle(place, Hindrance.PAUSED, reason, pauses, until)
    return Obstacle(place, Hindrance.TRYING if tried else Hindrance.DUE, reason, pauses)


def _in_order(place: Place) -> tuple[str, str, str]:
    """A target's own come before those of labels."""
    return place.label or "", place.provider or "", place.target or ""
