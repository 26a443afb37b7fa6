"""Databases to test on: SQLite always; PostgreSQL and MariaDB where this machine has them.

PostgreSQL: the Debian package `postgresql` and the Python package `psycopg`; a server is started in
a folder of its own. Any other: NODEPOOL_TEST_DBURI names a database that may be emptied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa

KINDS = ("sqlite", "postgresql", "other")
_LIMIT = 60


class Postgres:
    """A server of our own, that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._bin = _postgres_bin()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        #: the server refuses to run as root
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            folder.chmod(0o755)
            self._data.mkdir()
            shutil.chown(self._data, self._user)
        self._run("initdb", "-A", "trust", "-U", "nodepool", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://nodepool@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), "-D", str(self._data), *arguments],
            check=True,
            cwd="/",
            timeout=_LIMIT,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _postgres_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path()


def why_no_postgres() -> str | None:
    if not _postgres_bin().name:
        return "PostgreSQL's server is not installed"
    if find_spec("psycopg") is None:
        return "psycopg is not installed"
    return None


@contextlib.contextmanager
def started_postgres() -> Iterator[Postgres]:
    if (reason := why_no_postgres()) is not None:
        pytest.skip(reason)
    # pytest's own folders are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="nodepool-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def emptied(url: str) -> Iterator[str]:
    """The database without tables, before and after."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def drop() -> None:
        metadata = sa.MetaData()
        metadata.reflect(engine)
        metadata.drop_all(engine)

    try:
        drop()
        yield url
        drop()
    finally:
        engine.dispose()
