"""Database servers of our own, in folders of their own: PostgreSQL and MariaDB.

The Debian packages `postgresql` and `mariadb-server` bring them, the Python packages `psycopg` and
`PyMySQL` the clients. One server serves a whole run of tests; each test has a database to itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.support.processes import find_free_port
from tests.support.waiting import eventually

#: what the tests of a database run on: CI has to have the servers

MARKED = (
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.real),
    pytest.param("mariadb", marks=pytest.mark.real),
)
_LIMIT = 60


class DatabaseServer(ABC):
    """A server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self._folder = folder
        self._data = folder / "data"
        self._names = map("test{}".format, itertools.count(1))

    @abstractmethod
    def start(self) -> None:
        """Returns once it takes connections."""

    @abstractmethod
    def stop(self) -> None:
        """At once, as a crash would."""

    @abstractmethod
    def url(self, name: str) -> str:
        """SQLAlchemy's, of the database of that name."""

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped in the end."""
        name = next(self._names)
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._execute(self._drop(name))

    def _drop(self, name: str) -> str:
        return f"DROP DATABASE {name}"

    @abstractmethod
    def _admin_url(self) -> str: ...

    def _execute(self, statement: str) -> None:
        engine = sa.create_engine(self._admin_url(), poolclass=sa.NullPool)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()


class Postgres(DatabaseServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._bin = _postgres_bin()
        #: the server refuses to run as root
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            folder.chmod(0o755)
            self._data.mkdir()
            shutil.chown(self._data, self._user)
        self._control("initdb", "-A", "trust", "-U", "tester", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F"
        self._control("pg_ctl", "-w", "-o", options, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        self._control("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://tester@127.0.0.1:{self.port}/{name}"

    def _admin_url(self) -> str:
        return self.url("postgres")

    def _drop(self, name: str) -> str:
        return f"DROP DATABASE {name} WITH (FORCE)"

    def _control(self, program: str, *arguments: str) -> None:
        _run([str(self._bin / program), "-D", str(self._data), *arguments], self._user)


class MariaDb(DatabaseServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        #: whoever starts it as root has to mean it
        user = ["--user=root"] if os.getuid() == 0 else []
        self._options = [
            "--no-defaults",
            *user,
            f"--datadir={self._data}",
            "--innodb-log-file-size=4M",
            # What is written shall outlive the server, not the machine.
            "--innodb-flush-method=nosync",
            "--debug-no-sync",
        ]
        made = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        _run([_found("mariadb-install-db"), *self._options, *made])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    _found("mariadbd"),
                    *self._options,
                    "--bind-address=127.0.0.1",
                    f"--port={self.port}",
                    f"--socket={self._folder / 'socket'}",
                    f"--pid-file={self._folder / 'pid'}",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-buffer-pool-size=16M",
                    "--performance-schema=OFF",
                    "--skip-name-resolve",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, "MariaDB", _LIMIT)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-4000:]
        with contextlib.suppress(OperationalError):
            self._execute("SELECT 1")
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_LIMIT)
            self._process = None

    def url(self, name: str) -> str:
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{name}"

    def _admin_url(self) -> str:
        return self.url("")


def _run(command: Sequence[str], user: str | None = None) -> None:
    subprocess.run(
        command,
        check=True,
        cwd="/",
        timeout=_LIMIT,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _postgres_bin() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path()


def _found(program: str) -> str:
    """Its path, or "": Debian has servers in folders that are not on everybody's PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") or ""


def _why_no_postgres() -> str | None:
    if not _postgres_bin().name:
        return "PostgreSQL's server is not installed (Debian: postgresql)"
    return None if find_spec("psycopg") else "psycopg is not installed"


def _why_no_mariadb() -> str | None:
    if not (_found("mariadbd") and _found("mariadb-install-db")):
        return "MariaDB's server is not installed (Debian: mariadb-server)"
    return None if find_spec("pymysql") else "PyMySQL is not installed"


@contextlib.contextmanager
def started_postgres() -> Iterator[DatabaseServer]:
    with _started(Postgres, _why_no_postgres()) as server:
        yield server


@contextlib.contextmanager
def started_mariadb() -> Iterator[DatabaseServer]:
    with _started(MariaDb, _why_no_mariadb()) as server:
        yield server


@contextlib.contextmanager
def _started(kind: type[DatabaseServer], missing: str | None) -> Iterator[DatabaseServer]:
    if missing is not None:
        pytest.skip(missing)
    # pytest's own folders are closed to PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="test-database-") as folder:
        server = kind(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
