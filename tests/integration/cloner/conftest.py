"""What zuul-cloner works on, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cloner_site import Site
from tests.integration.merger_world import merger_world


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with merger_world(tmp_path) as world:
        yield Site(tmp_path, world)
