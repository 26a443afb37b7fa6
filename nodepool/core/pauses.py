"""Pauses of launches that fail for no fault of the cloud: to a target, or of a label.

Failures in a row at one step begin a pause, longer each time; after it one launch goes alone. Only
a launch that gets past that step ends it: launches do not fail alike at all steps.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

from nodepool.core.health import Stalls


@dataclass(frozen=True, slots=True)
class Place:
    """What launches have in common that may be at fault; None: any."""

    label: str | None = None
    provider: str | None = None
    target: str | None = None


class Standing(Enum):
    """Of a place that launches may go to."""

    OPEN = "open"
    #: one launch may go
    DUE = "due"
    SHUT = "shut"


@dataclass(slots=True)
class Pause(Stalls):
    """Of one place; in memory only."""

    #: the node that went alone last
    trial: int | None = None

    def standing(self, now: float, launches: Container[int]) -> Standing:
        """`launches`: the nodes that are being launched."""
        if not self.stalls:
            return Standing.OPEN
        if now < self.stalled_until or self.trial in launches:
            return Standing.SHUT
        return Standing.DUE


def places_of(label: str, provider: str, target: str) -> tuple[Place, ...]:
    """What a launch has in common with others: whom its target's registration, its ready script,
    and its test job may be blamed on."""
    return Place(target=target), Place(label, provider=provider), Place(label, target=target)
