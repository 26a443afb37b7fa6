"""The contract's allocation (nodepool.md 6.1) as it is told there; slow on purpose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from nodepool.core.allocation import Grant, History, Request


class Sub:
    """What one provider may give of one request."""

    def __init__(self, provider: Provider, ask: Ask) -> None:
        self.provider = provider
        self.ask = ask
        self.amount = 0.0

    @property
    def priority(self) -> int:
        return len(self.ask.subs)


class Provider:
    def __init__(self, name: str, available: int) -> None:
        self.name = name
        self.available = max(0, available)
        self.subs: list[Sub] = []


class Ask:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.amount = float(request.amount)
        self.subs: list[Sub] = []
        self.current = dict(request.targets)

    def redistribute(self) -> None:
        total = sum(sub.provider.available for sub in self.subs)
        for sub in self.subs:
            sub.amount = self.amount * sub.provider.available / total if total else 0.0


def half_away(number: float) -> int:
    below = math.floor(number)
    return below + 1 if number - below >= 0.5 else below


def allocate_plainly(
    room: Mapping[str, int], requests: Sequence[Request], history: History
) -> list[Grant]:
    providers = {name: Provider(name, count) for name, count in room.items()}
    grants: list[Grant] = []
    for request in requests:
        if request.amount <= 0:
            continue
        ask = Ask(request)
        for name in request.providers:
            sub = Sub(providers[name], ask)
            ask.subs.append(sub)
            providers[name].subs.append(sub)
            ask.redistribute()
    for provider in providers.values():
        make_grants(provider, history, grants)
    return grants


def make_grants(provider: Provider, history: History, grants: list[Grant]) -> None:
    subs = [(history.wait(sub.ask.request.label), sub) for sub in provider.subs]
    normal = [sub for wait, sub in subs if wait == 0]
    for _, sub in sorted((each for each in subs if each[0]), key=lambda each: -each[0]):
        machines = sub.ask.request.machines
        if provider.available > 0:
            give(sub, min(math.floor(sub.amount), provider.available // machines), grants)
        else:
            normal.append(sub)
    normal.sort(key=lambda sub: sub.priority)
    for sub in normal:
        peers = sum(peer.amount for peer in normal if peer.priority == sub.priority)
        ratio = sub.amount / peers if peers else 0
        count = min(half_away(sub.amount), half_away(provider.available * ratio))
        give(sub, min(count, provider.available // sub.ask.request.machines), grants)


def give(sub: Sub, count: int, grants: list[Grant]) -> None:
    sub.provider.subs.remove(sub)
    sub.ask.subs.remove(sub)
    if count > 0:
        sub.ask.amount -= count
        sub.provider.available -= count * sub.ask.request.machines
        given = spread(sub.ask.current, count)
        grants.append(Grant(sub.provider.name, sub.ask.request.label, count, given))
    sub.ask.redistribute()


def spread(current: dict[str, int], count: int) -> tuple[tuple[str, int], ...]:
    total, left, found = count + sum(current.values()), len(current), []
    for target in list(current):
        give = max(0, min(half_away(total / left) - current[target], count))
        count -= give
        total -= current[target] + give
        left -= 1
        current[target] += give
        if give:
            found.append((target, give))
    return tuple(found)
