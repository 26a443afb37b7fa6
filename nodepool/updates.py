"""What a person asks of images: which are to be built anew, and what became of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nodepool.config.values import NodepoolConfig
from nodepool.errors import ImageError
from nodepool.model import NodeState, SnapshotImage

ALL = "all"


@dataclass(frozen=True, slots=True)
class Plan:
    #: (provider, image)
    places: tuple[tuple[str, str], ...]
    #: why others are left out
    left_out: tuple[str, ...] = ()


def plan_updates(config: NodepoolConfig, provider: str, image: str) -> Plan:
    """`provider`: a name, or all. Raises ImageError if there is nothing to build."""
    if provider != ALL and provider not in config.providers:
        known = ", ".join([*config.providers, ALL])
        raise ImageError(f"There is no provider {provider!r}; there are: {known}")
    names = list(config.providers) if provider == ALL else [provider]
    having = [name for name in names if image in config.providers[name].images]
    if not having:
        known = ", ".join(dict.fromkeys(i for n in names for i in config.providers[n].images))
        who = "No provider has an" if provider == ALL else f"{provider} has no"
        raise ImageError(f"{who} image {image!r}; there are: {known or 'none'}")
    reasons = {name: _why_not(config, name, image) for name in having}
    left_out = tuple(f"{name}: {reason}" for name, reason in reasons.items() if reason)
    places = tuple((name, image) for name, reason in reasons.items() if not reason)
    if not places:
        raise ImageError("; ".join(left_out))
    return Plan(places, left_out)


def _why_not(config: NodepoolConfig, provider: str, image: str) -> str | None:
    recipe = config.providers[provider].images[image]
    if not recipe.base_image:
        if recipe.diskimage:
            return f"{image} is a disk image, which is not built here"
        return f"{image} has no base-image to build it on"
    if recipe.pause:
        return f"{image} is paused in the configuration"
    labels = [each for each in config.labels.values() if each.image == image]
    if not any(each.in_use and provider in each.providers for each in labels):
        return f"no label that is on uses {image} of {provider}"
    return None


@dataclass(slots=True)
class Progress:
    """One place's build, seen in its rows."""

    place: tuple[str, str]
    #: of builds that were over before we asked
    old: frozenset[int]
    #: what it waits for, for people
    text: str = field(default="", init=False)
    is_over: bool = field(default=False, init=False)
    has_begun: bool = field(default=False, init=False)
    #: the new image's id; None when it is over: it came to nothing
    ready: int | None = field(default=None, init=False)

    @classmethod
    def of(cls, place: tuple[str, str], images: Iterable[SnapshotImage]) -> Progress:
        """A build that is under way already is the one we wait for: no second one is begun."""
        over = [each.id for each in images if each.state is not NodeState.BUILDING]
        return cls(place, frozenset(over))

    def look(self, images: Sequence[SnapshotImage], waiting: bool) -> None:
        """`waiting`: the request was not answered yet when `images` were about to be read. Its
        answer is written together with the row of the build, if one is begun."""
        if self.is_over:
            return
        provider, name = self.place
        mine = {
            each.state: each.id
            for each in images
            if (each.provider, each.image) == self.place and each.id not in self.old
        }
        self.has_begun = self.has_begun or bool(mine)
        if NodeState.READY in mine:
            self.ready, self.is_over = mine[NodeState.READY], True
        elif NodeState.BUILDING in mine:
            number = mine[NodeState.BUILDING]
            self.text = f"Image {name} of {provider} is being built (ID {number})"
        elif waiting:
            self.text = f"Image {name} of {provider} waits for nodepoold"
        else:
            self.is_over = True
