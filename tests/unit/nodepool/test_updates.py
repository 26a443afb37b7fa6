"""Which images a person may have built anew, and how the end of a build is recognised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.errors import ImageError
from nodepool.model import NodeState, SnapshotImage
from nodepool.updates import Progress, plan_updates

CONFIG = """
labels:
  - {name: trusty, image: trusty, min-ready: 1, providers: [{name: one}, {name: two}]}
  - {name: off, image: old, min-ready: -1, providers: [{name: one}]}
  - {name: mixed, image: mixed, min-ready: 0, providers: [{name: one}, {name: two}]}
  - {name: paused, image: paused, min-ready: 0, providers: [{name: one}]}
providers:
  - name: one
    max-servers: 2
    images:
      - {name: trusty, min-ram: 1, base-image: Trusty}
      - {name: old, min-ram: 1, base-image: Old}
      - {name: mixed, min-ram: 1, diskimage: mixed}
      - {name: paused, min-ram: 1, base-image: Trusty, pause: true}
  - name: two
    max-servers: 2
    images:
      - {name: trusty, min-ram: 1, base-image: Trusty}
      - {name: mixed, min-ram: 1, base-image: Trusty}
targets: [{name: jenkins}]
diskimages: [{name: mixed}]
"""
BUILDING, READY, DELETE = NodeState.BUILDING, NodeState.READY, NodeState.DELETE
PLACE = ("one", "trusty")


def plan(provider: str, image: str) -> object:
    found = plan_updates(parse_config(CONFIG, "f"), provider, image)
    return found.places, found.left_out


def test_one_provider_and_all_of_them() -> None:
    assert plan("two", "trusty") == ((("two", "trusty"),), ())
    assert plan("all", "trusty") == ((("one", "trusty"), ("two", "trusty")), ())


def test_all_leaves_out_what_cannot_be_built() -> None:
    left_out = ("one: mixed is a disk image, which is not built here",)
    assert plan("all", "mixed") == ((("two", "mixed"),), left_out)


@pytest.mark.parametrize(
    ("provider", "image", "text"),
    [
        ("three", "trusty", "There is no provider 'three'; there are: one, two, all"),
        ("two", "old", "two has no image 'old'; there are: trusty, mixed"),
        ("all", "new", "No provider has an image 'new'; there are: trusty, old, mixed, paused"),
        ("one", "old", "one: no label that is on uses old of one"),
        ("one", "mixed", "one: mixed is a disk image, which is not built here"),
        ("one", "paused", "one: paused is paused in the configuration"),
    ],
)
def test_what_cannot_be_built(provider: str, image: str, text: str) -> None:
    with pytest.raises(ImageError) as caught:
        plan(provider, image)
    assert str(caught.value) == text


def row(number: int, state: NodeState) -> SnapshotImage:
    return SnapshotImage(number, *PLACE, state, 0.0, "template", number)


class Looks:
    """Rows as a command reads them, one second after another."""

    def __init__(self, *before: SnapshotImage) -> None:
        self.progress = Progress.of(PLACE, before)

    def __call__(self, *rows: SnapshotImage, waiting: bool = False) -> Progress:
        self.progress.look(rows, waiting)
        return self.progress


def test_a_build_from_the_request_to_the_ready_image() -> None:
    old = row(1, READY)
    look = Looks(old)
    assert look(old, waiting=True).text == "Image trusty of one waits for nodepoold"
    assert look(old, row(2, BUILDING)).text == "Image trusty of one is being built (ID 2)"
    assert not look.progress.is_over
    assert look(old, row(2, READY)).is_over
    assert look.progress.ready == 2


@pytest.mark.parametrize("left", [(row(2, DELETE),), ()])
def test_a_build_that_fails(left: tuple[SnapshotImage, ...]) -> None:
    look = Looks()
    assert not look(row(2, BUILDING)).is_over
    assert look(*left).is_over
    assert (look.progress.ready, look.progress.has_begun) == (None, True)


def test_a_build_that_is_under_way_is_the_one() -> None:
    look = Looks(row(2, BUILDING))
    assert not look(row(2, BUILDING), waiting=True).is_over
    assert look(row(2, READY)).ready == 2


def test_a_request_of_which_nothing_comes() -> None:
    look = Looks(row(1, READY))
    assert not look(row(1, READY), waiting=True).is_over
    assert look(row(1, READY)).is_over
    assert (look.progress.ready, look.progress.has_begun) == (None, False)


def test_a_build_that_a_restart_began_again_is_waited_for() -> None:
    look = Looks()
    assert not look(row(2, BUILDING)).is_over
    assert not look(row(2, DELETE), row(3, BUILDING)).is_over
    assert look(row(3, READY)).ready == 3


def test_images_of_others_are_not_looked_at() -> None:
    look = Looks()
    other = replace(row(2, READY), provider="two")
    assert not look(other, waiting=True).is_over
