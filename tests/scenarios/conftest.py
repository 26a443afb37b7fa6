"""A world with the catalogue's layout for every scenario."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.invariants import watch
from tests.support.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Layout L0; what must always hold is checked after every event."""
    world = World()
    watch(world)
    yield world
