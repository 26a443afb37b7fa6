"""Who gets the free machines: labels x providers x targets -> grants.

Work goes first to labels with the fewest possible providers; labels of one rank share in proportion
to what they ask for; a label that got nothing in the last rounds is served first, the longest
waiter before all others. The rule that must not break: no provider gives more than it has.

Amounts are worked out when a provider gives, not when another one gave: what a provider may give of
a request is the request's remainder in proportion to the providers that are still to come, and none
of those has given anything yet. So a round costs labels x providers, not times providers again.

Compat: the order of grants and every rounding are the contract's (nodepool.md 6.1), tested by its
vectors, with two differences it asks for: what a node takes besides itself limits the number of
nodes (test_subnodes_never_overcommit), and who asks for nothing does not wait
(test_an_idle_label_does_not_wait).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: rounds beyond which waiting longer makes no difference
MAX_WAIT = 100


@dataclass(frozen=True, slots=True)
class Request:
    """Nodes of one label that are wanted."""

    label: str
    amount: int
    #: those that can make such a node, in any order
    providers: Sequence[str]
    #: nodes of this label in each target that takes new ones, in order
    targets: Mapping[str, int]
    #: what one node takes of a provider
    machines: int = 1


@dataclass(frozen=True, slots=True)
class Grant:
    """Nodes of one label that one provider gives; `targets` holds only those that get any."""

    provider: str
    label: str
    amount: int
    targets: tuple[tuple[str, int], ...]


class History:
    """How many rounds in a row each label asked and got nothing."""

    def __init__(self) -> None:
        self._waits: dict[str, int] = {}

    def wait(self, label: str) -> int:
        return self._waits.get(label, 0)

    def close_round(self, requests: Iterable[Request], grants: Iterable[Grant]) -> None:
        """A label that did not ask, or asked for nothing, no longer waits."""
        served = {grant.label for grant in grants}
        self._waits = {
            each.label: min(self._waits.get(each.label, 0) + 1, MAX_WAIT)
            for each in requests
            if each.amount > 0 and each.label not in served
        }


@dataclass(slots=True)
class _Open:
    """A request while the providers give."""

    request: Request
    #: not yet granted
    amount: float
    #: providers that have not given yet, and what they have
    providers: int
    room: int
    #: nodes per target, with what was granted
    targets: dict[str, int]
    #: what the provider at hand may give of it
    share: float = field(default=0.0)


def allocate(room: Mapping[str, int], requests: Sequence[Request], wait: History) -> list[Grant]:
    """Grants in the order they were made. `room`: free machines by provider, in giving order.

    Requests for nothing are passed over. The caller closes the round of `wait`.
    """
    free = {provider: max(0, count) for provider, count in room.items()}
    asking: dict[str, list[_Open]] = {provider: [] for provider in free}
    for request in requests:
        if request.amount <= 0:
            continue
        able = [provider for provider in request.providers if provider in free]
        opened = _Open(
            request,
            float(request.amount),
            len(able),
            sum(free[provider] for provider in able),
            dict(request.targets),
        )
        for provider in able:
            asking[provider].append(opened)
    grants: list[Grant] = []
    for provider, opens in asking.items():
        if opens:
            _give(provider, free[provider], opens, wait, grants)
    return grants


def _give(provider: str, has: int, opens: list[_Open], wait: History, grants: list[Grant]) -> None:
    for each in opens:
        each.share = each.amount * has / each.room if each.room else 0.0
    waiters = [(wait.wait(each.request.label), each) for each in opens]
    queue = [each for waited, each in waiters if not waited]
    waiters = sorted((pair for pair in waiters if pair[0]), key=lambda pair: -pair[0])
    free = has
    for _, each in waiters:
        if free > 0:
            # Less than one node is nothing here: what is left goes to the providers that follow.
            count = min(int(each.share), free // each.request.machines)
            free -= _grant(provider, has, each, count, grants)
        else:
            queue.append(each)
    queue.sort(key=lambda each: each.providers)
    shares = [each.share for each in queue]
    ranks = [each.providers for each in queue]
    end = 0
    for position, each in enumerate(queue):
        if position == end:
            while end < len(queue) and ranks[end] == ranks[position]:
                end += 1
        peers = sum(shares[position:end])
        ratio = each.share / peers if peers else 0.0
        count = min(_round(each.share), _round(free * ratio), max(0, free) // each.request.machines)
        free -= _grant(provider, has, each, count, grants)


def _grant(provider: str, has: int, each: _Open, count: int, grants: list[Grant]) -> int:
    """Close the provider's part of the request; the machines it gives."""
    each.providers -= 1
    each.room -= has
    if count <= 0:
        return 0
    each.amount -= count
    grants.append(Grant(provider, each.request.label, count, _spread(count, each.targets)))
    return count * each.request.machines


def _spread(count: int, targets: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Even the targets out; adds what each gets to its count."""
    total = count + sum(targets.values())
    found = []
    for left, (target, current) in zip(
        range(len(targets), 0, -1), list(targets.items()), strict=True
    ):
        given = max(0, min(_round(total / left) - current, count))
        count -= given
        total -= current + given
        if given:
            targets[target] = current + given
            found.append((target, given))
    return tuple(found)


def _round(number: float) -> int:
    """Half away from zero, for numbers of 0 and above; round() would go to the even one."""
    whole = int(number)
    return whole + 1 if number - whole >= 0.5 else whole
