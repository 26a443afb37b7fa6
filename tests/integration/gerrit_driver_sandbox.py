"""A sandbox's Gerrit, and the driver under test on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gerrit_driver_world import PROJECT, World
from tests.sandbox.gerrit import SandboxGerrit
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.model.change import Change


@pytest.fixture
def gerrit(tmp_path: Path) -> Iterator[SandboxGerrit]:
    with SandboxGerrit(tmp_path / "gerrit") as sandbox:
        sandbox.create_project(PROJECT)
        yield sandbox


@pytest.fixture
def world(gerrit: SandboxGerrit, tmp_path: Path) -> World:
    return World(gerrit, tmp_path / "world")


@pytest.fixture
def driver(world: World) -> Iterator[GerritDriver]:
    """One that hears the stream by now."""
    with world.listening() as started:
        yield started


def approved(world: World, gerrit: SandboxGerrit, subject: str = "Add a") -> Change:
    """A change that only lacks our vote, as the driver told it."""
    number = gerrit.upload(PROJECT, subject).number
    gerrit.approve(number)
    return world.wait_vote(number)
