"""Fixtures of the merger's tests: a merger, and an origin for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.merger_world import MergerWorld, OriginRepo, merger_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MergerWorld]:
    with merger_world(tmp_path) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> OriginRepo:
    return OriginRepo(tmp_path / "origin", "org/project")
