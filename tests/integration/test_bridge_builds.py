"""Builds through the bridge: sandbox masters of both ages, a real Gearman server, real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_world import World

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("modern", [True, False])
def test_success_and_failure(world: World, modern: bool) -> None:
    master = world.add_master("m1", modern=modern)
    master.add_job("unit", "sleep 1\n")
    master.add_job("style", "exit 3\n")
    world.start()
    world.await_function("build:unit")
    world.await_function("build:style")
    good, bad = world.submit("build:unit", "u1"), world.submit("build:style", "u2")
    start = good.started()
    assert start["manager"] == "m1"
    assert start["name"] == "unit"
    assert start["number"] == 1
    assert start["url"].endswith("/job/unit/1/")
    assert good.ended() == "SUCCESS"
    assert good.statuses >= 1
    assert bad.ended() == "FAILURE"
    assert [len(master.builds(uuid=uuid)) for uuid in ("u1", "u2")] == [1, 1]
