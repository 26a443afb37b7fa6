"""Fixtures of the tests of nodepool's database: each runs on every kind there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.nodepool_databases import KINDS, Postgres, emptied, started_postgres
from tests.integration.nodepool_store_world import Site


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with started_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/nodepool.sqlite"
        elif request.param == "postgresql":
            server = request.getfixturevalue("postgres")
            yield stack.enter_context(emptied(server.url("postgres")))
        elif given := os.environ.get("NODEPOOL_TEST_DBURI"):
            yield stack.enter_context(emptied(given))
        else:
            pytest.skip("NODEPOOL_TEST_DBURI names no other database (MariaDB, say)")


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    made = Site(database_url)
    try:
        yield made
    finally:
        made.database.close()
