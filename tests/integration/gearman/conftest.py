"""A Gearman server for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zuul.lib.gearman import GearmanServer


@pytest.fixture
def server() -> Iterator[GearmanServer]:
    server = GearmanServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop()
