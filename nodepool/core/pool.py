"""Pool: the one door to the core. `handle(event, now)` changes the state and says what to do.

It is called from one thread, with one event after the other. Rows come first in what it returns,
and are committed before anything else is done (commands.py).
"""

from __future__ import annotations

from nodepool.config.values import NodepoolConfig
from nodepool.core import (
    images,
    launch_flow,
    planner,
)
from nodepool.core.commands import Command
from nodepool.core.dispatch import HANDLERS
from nodepool.core.events import Event, Step
from nodepool.core.obstacles import Obstacle, find_obstacles, find_room
from nodepool.core.ports import EVERYTHING, Numbers, Observer, Switches
from nodepool.core.state import State
from nodepool.model import MachineKey, Node, NodeState, Presence, SnapshotImage


class Pool:
    """Nodes, images and what is to become of them."""

    def __init__(
        self,
        config: NodepoolConfig,
        nodepool_id: str,
        numbers: Numbers,
        observer: Observer,
        switches: Switches = EVERYTHING,
    ) -> None:
        """`nodepool_id`: of the database; our servers carry it, where the provider's `nodepool-id`
        is not set. The first event is Started."""
        self._state = State(config, nodepool_id, numbers, observer, switches)

    def handle(self, event: Event, now: float) -> tuple[Command, ...]:
        """Raises AssertionError if an invariant is broken: the process is to end, and to come back
        from its rows."""
        HANDLERS[type(event)](self._state, event, now)
        self._settle(now)
        return self._state.take_commands()

    def _settle(self, now: float) -> None:
        """Act on what changed: a plan's launches change the state in turn, so that is bounded."""
        state = self._state
        if state.check_images:
            images.retire(state, now)
            if state.switches.images:
                images.build_missing(state, now)
            state.check_images = False
        if state.replan:
            plans = planner.plan(state, now) if state.switches.launches else ()
            for plan in plans:
                launch_flow.start(state, plan, now)
            state.replan = False

    # -- questions ---------------------------------------------------------------------------------

    @property
    def next_at(self) -> float | None:
        """When TimeCame is due; None: not at all."""
        return self._state.timers.next_at

    @property
    def nodes(self) -> dict[int, Node]:
        """By id; not to be changed."""
        return self._state.nodes

    @property
    def images(self) -> dict[int, SnapshotImage]:
        return self._state.images

    def steps(self) -> dict[MachineKey, Step]:
        """What is under way: launches and image builds, by their first machine."""
        state = self._state
        found = {MachineKey("node", number): each.step for number, each in state.launches.items()}
        found |= {MachineKey("image", number): step for number, step in state.builds.items()}
        found |= {key: boot.step for key, boot in state.boots.items() if key.index == 0}
        return found

    def obstacles(self, now: float) -> tuple[Obstacle, ...]:
        """What keeps launches from going."""
        return tuple(find_obstacles(self._state, now))

    def account_room(self) -> dict[str, int]:
        """By provider: servers that its account takes besides ours, where it told so."""
        return find_room(self._state)

    def providers_to_watch(self) -> frozenset[str]:
        """Providers whose servers something waits for: their lists are asked for every few
        seconds, those of others each minute."""
        state = self._state
        found = {boot.provider for boot in state.boots.values() if boot.step is Step.BOOT}
        found |= {provider for provider, machines in state.census.going.items() if machines}
        for image in state.images.values():
            if image.state is not NodeState.BUILDING and (
                image.machine.presence is not Presence.GONE
            ):
                found.add(image.provider)
        return frozenset(found)

    def images_to_watch(self) -> frozenset[str]:
        """Providers with an image that is being saved, or of which nobody knows what came."""
        state = self._state
        return frozenset(
            image.provider
            for image in state.images.values()
            if image.presence is Presence.ASKED or state.builds.get(image.id) is Step.SAVE
        )
