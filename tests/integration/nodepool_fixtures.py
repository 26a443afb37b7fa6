"""Fixtures of the tests of nodepool's database: each runs on every kind there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.integration.nodepool_store_world import Site


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with _opened(database_url) as made:
        yield made


@pytest.fixture
def sqlite_site(sqlite_url: str) -> Iterator[Site]:
    """For what is SQLite's own way."""
    with _opened(sqlite_url) as made:
        yield made


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Site]:
    made = Site(url)
    try:
        yield made
    finally:
        made.database.close()
