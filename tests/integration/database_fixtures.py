"""Fixtures: databases of every kind that we promise to run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import MARKED, DatabaseServer, started_mariadb, started_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    with started_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    with started_mariadb() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite"


@pytest.fixture(params=MARKED)
def database_url(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[str]:
    """An empty database, of one kind after the other."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    server = request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb")
    with server.database() as url:
        yield url


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.real),
        pytest.param("mariadb", marks=pytest.mark.real),
    ]
)
def database_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """One that a test may stop, if it starts it again."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, DatabaseServer)
    return server
