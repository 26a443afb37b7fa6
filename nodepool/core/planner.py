"""Planner: configuration, nodes and demand -> the launches to begin now.

Where launches fail (pauses.py) none go, and then one alone: such trials are granted first.

Work that waits comes first; nodes to keep warm get what is left, so that min-ready never starves
work and never goes without while there is room. What rounding leaves over is given to whoever
still lacks, longest waiter first: nobody waits while there is room for what they wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nodepool.core.allocation import Grant, History, Request, allocate
from nodepool.core.demand import Deficit, find_deficit
from nodepool.core.health import most_under_way
from nodepool.core.launch_flow import LaunchPlan
from nodepool.core.pauses import Place, Standing, places_of
from nodepool.core.state import State
from nodepool.model import SnapshotImage

#: by label, provider
Images = Mapping[tuple[str, str], SnapshotImage]


def plan(state: State, now: float) -> list[LaunchPlan]:
    """Touches nothing but the histories of who waited."""
    deficits = _deficits(state)
    if not deficits:
        return []
    room = _room(state, now)
    images = _images(state, deficits, room)
    if not images:
        return []
    launches: list[LaunchPlan] = []
    taken: dict[tuple[str, str], int] = {}
    work = {label: deficit.work for label, deficit in deficits.items()}
    pauses = Pauses(state, now)
    grants = _share(state, pauses, work, room, images, taken, state.work_history)
    for grant in grants:
        work[grant.label] -= grant.amount
    warm = {
        # What work did not get, nobody keeps warm.
        label: deficit.warm if work[label] <= 0 else 0
        for label, deficit in deficits.items()
    }
    grants += _share(state, pauses, warm, room, images, taken, state.warm_history)
    for grant in grants:
        label = state.config.labels[grant.label]
        image = images[grant.label, grant.provider]
        for target, count in grant.targets:
            entry = LaunchPlan(grant.provider, label, state.config.targets[target], image)
            launches += [entry] * count
    return launches


def _deficits(state: State) -> dict[str, Deficit]:
    online = [name for name in state.config.targets if name not in state.offline]
    with_gearman = bool(state.config.gearman_servers)
    found = {}
    for name, label in state.config.labels.items():
        deficit = find_deficit(
            min_ready=label.min_ready,
            idle=sum(state.census.idle[name, target] for target in online),
            busy=sum(state.census.busy[name, target] for target in online),
            queued=state.demand.queued(name) if with_gearman else None,
        )
        if deficit.work or deficit.warm:
            found[name] = deficit
    return found


def _room(state: State, now: float) -> dict[str, int]:
    """Machines that each provider takes now."""
    largest = max((label.machines for label in state.config.labels.values()), default=1)
    room = {}
    for name, provider in state.config.providers.items():
        free = provider.max_servers - state.census.room[name]
        if free > 0:
            most = most_under_way(provider.cloud.rate, provider.launch_timeout)
            free = min(free, state.health_of(name).allowance(now, largest, most))
        if free > 0:
            room[name] = free
    return room


def _images(
    state: State, deficits: Mapping[str, Deficit], room: Mapping[str, int]
) -> dict[tuple[str, str], SnapshotImage]:
    found = {}
    current: dict[tuple[str, str], SnapshotImage | None] = {}
    for name in deficits:
        label = state.config.labels[name]
        for provider in label.providers:
            if provider not in room:
                continue
            place = (provider, label.image)
            if place not in current:
                current[place] = state.current_image(*place)
            image = current[place]
            if image is not None:
                found[name, provider] = image
    return found


class Pauses:
    """Where a round's launches may go."""

    def __init__(self, state: State, now: float) -> None:
        self._standings = {
            place: pause.standing(now, state.launches)
            for place, pause in state.pauses.items()
            if pause.stalls
        }

    def __bool__(self) -> bool:
        return bool(self._standings)

    def provider(self, label: str, provider: str) -> Standing:
        return self._standings.get(Place(label, provider=provider), Standing.OPEN)

    def target(self, label: str, target: str) -> Standing:
        places = (Place(target=target), Place(label, target=target))
        found = [self._standings.get(place, Standing.OPEN) for place in places]
        return next(
            (each for each in (Standing.SHUT, Standing.DUE) if each in found), Standing.OPEN
        )

    def tried(self, grant: Grant) -> None:
        """Its launch goes alone."""
        for target, _ in grant.targets:
            for place in places_of(grant.label, grant.provider, target):
                if self._standings.get(place) is Standing.DUE:
                    self._standings[place] = Standing.SHUT


def _share(
    state: State,
    pauses: Pauses,
    wanted: Mapping[str, int],
    room: dict[str, int],
    images: Images,
    taken: dict[tuple[str, str], int],
    history: History,
) -> list[Grant]:
    """Grants of one round; takes them out of `room`."""
    requests: list[Request] = []
    trials: list[Grant] = []
    for name, amount in wanted.items():
        label = state.config.labels[name]
        targets = {
            target: state.census.current[name, target] + taken.get((name, target), 0)
            for target in state.config.targets
            if target not in state.offline and (label.targets is None or target in label.targets)
        }
        able = [p for p in label.providers if (name, p) in images]
        request = Request(name, amount, able, targets, label.machines)
        if pauses and amount > 0:
            tried = _try(request, pauses, room, taken)
            trials += tried
            request = _open_part(request, pauses, tried)
        if request.amount > 0 and request.targets and request.providers:
            requests.append(request)
    if not requests or not any(room.get(p, 0) > 0 for each in requests for p in each.providers):
        return trials
    grants = allocate(room, requests, history)
    _take(grants, requests, room, taken)
    grants += _give_the_rest(requests, grants, room, history, taken)
    history.close_round(requests, grants)
    return trials + grants


def _try(
    request: Request, pauses: Pauses, room: dict[str, int], taken: dict[tuple[str, str], int]
) -> list[Grant]:
    """One node for whatever is due: in a place that is open otherwise, if there is one."""
    label, found = request.label, list[Grant]()
    places = [
        (target, provider)
        for target in sorted(request.targets, key=lambda each: request.targets[each])
        for provider in sorted(request.providers, key=lambda each: -room.get(each, 0))
    ]
    for dues in (1, 2):
        for target, provider in places:
            standings = (pauses.target(label, target), pauses.provider(label, provider))
            if (
                Standing.SHUT not in standings
                and standings.count(Standing.DUE) == dues
                and room.get(provider, 0) >= request.machines
                and len(found) < request.amount
            ):
                grant = Grant(provider, label, 1, ((target, 1),))
                pauses.tried(grant)
                _take([grant], [request], room, taken)
                found.append(grant)
    return found


def _open_part(request: Request, pauses: Pauses, trials: list[Grant]) -> Request:
    """What is left of it, without the places that are paused."""
    targets = _counted(request.targets, trials)
    return replace(
        request,
        amount=request.amount - len(trials),
        providers=[
            each
            for each in request.providers
            if pauses.provider(request.label, each) is Standing.OPEN
        ],
        targets={
            name: count
            for name, count in targets.items()
            if pauses.target(request.label, name) is Standing.OPEN
        },
    )


def _give_the_rest(
    requests: list[Request],
    grants: list[Grant],
    room: dict[str, int],
    history: History,
    taken: dict[tuple[str, str], int],
) -> list[Grant]:
    """Who still lacks, and where there is room for it; each provider in turn for each label."""
    got: dict[str, int] = {}
    for grant in grants:
        got[grant.label] = got.get(grant.label, 0) + grant.amount
    found: list[Grant] = []
    for each in sorted(requests, key=lambda r: (-history.wait(r.label), len(r.providers))):
        lacks = each.amount - got.get(each.label, 0)
        if lacks <= 0:
            continue
        targets = _counted(each.targets, [grant for grant in grants if grant.label == each.label])
        rest = Request(each.label, lacks, each.providers, targets, each.machines)
        for provider in each.providers:
            fits = min(rest.amount, room.get(provider, 0) // each.machines)
            if fits > 0:
                part = Request(each.label, fits, [provider], rest.targets, each.machines)
                more = allocate({provider: room[provider]}, [part], History())
                _take(more, [part], room, taken)
                found += more
                left = rest.amount - sum(grant.amount for grant in more)
                targets = _counted(rest.targets, more)
                rest = Request(each.label, left, each.providers, targets, each.machines)
    return found


def _counted(targets: Mapping[str, int], grants: list[Grant]) -> dict[str, int]:
    counts = dict(targets)
    for grant in grants:
        for target, count in grant.targets:
            counts[target] += count
    return counts


def _take(
    grants: list[Grant],
    requests: list[Request],
    room: dict[str, int],
    taken: dict[tuple[str, str], int],
) -> None:
    machines = {request.label: request.machines for request in requests}
    for grant in grants:
        room[grant.provider] -= grant.amount * machines[grant.label]
        for target, count in grant.targets:
            place = (grant.label, target)
            taken[place] = taken.get(place, 0) + count
