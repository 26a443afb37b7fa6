"""Make SQLite files usable by a multi-threaded OpenStack service.

Imported by every launcher before the service opens a database.  Applies to
all SQLAlchemy engines of the process, and does nothing on another database.

* WAL: readers do not block the writer.
* busy_timeout: wait for a lock instead of "database is locked" at once.
* oslo.db sends its own plain "BEGIN"; a transaction that reads first and
  writes later would then fail at once with SQLITE_BUSY (stale snapshot), and
  busy_timeout does not help with that.  So a transaction of enginefacade's
  *writer* starts as BEGIN IMMEDIATE, a reader's stays as it is.
"""

import contextlib
import threading

from sqlalchemy import event
from sqlalchemy.engine import Engine

_mode = threading.local()


def _is_sqlite(dbapi_con):
    return type(dbapi_con).__module__.startswith("sqlite3")


@event.listens_for(Engine, "connect")
def _connect(dbapi_con, record):
    if _is_sqlite(dbapi_con):
        for pragma in (
            "journal_mode=WAL",
            "busy_timeout=30000",
            "synchronous=OFF",
            "temp_store=MEMORY",
        ):
            dbapi_con.execute("PRAGMA " + pragma)


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _begin(conn, cursor, statement, parameters, context, executemany):
    if (
        statement == "BEGIN"
        and conn.dialect.name == "sqlite"
        and not getattr(_mode, "reader", False)
    ):
        statement = "BEGIN IMMEDIATE"
    return statement, parameters


def _patch_enginefacade():
    from oslo_db.sqlalchemy import enginefacade as ef

    orig = ef._TransactionContext._session

    @contextlib.contextmanager
    def _session(self, savepoint=False, context=None):
        # The mode that counts is that of the outermost block: a session
        # begins its transaction at its first statement.
        cm = orig(self, savepoint=savepoint, context=context)
        before = getattr(_mode, "reader", False)
        _mode.reader = self.mode is not ef._WRITER
        try:
            with cm as session:
                yield session
        finally:
            _mode.reader = before

    ef._TransactionContext._session = _session


_patch_enginefacade()


def _patch_pool():
    """oslo.db picks NullPool for sqlite files: a new connection, and in WAL mode
    a checkpoint at its close, for every transaction.  Keep the connections."""
    import sqlalchemy
    from sqlalchemy import pool

    orig = sqlalchemy.create_engine

    def create_engine(url, **kw):
        if str(url).startswith("sqlite:///") and kw.get("poolclass") is pool.NullPool:
            kw.update(poolclass=pool.QueuePool, pool_size=10, max_overflow=100)
            kw["connect_args"] = dict(kw.get("connect_args") or {}, check_same_thread=False)
        return orig(url, **kw)

    sqlalchemy.create_engine = create_engine


_patch_pool()


def quiet_gc():
    """Call once everything is imported: these services keep ~10^6 objects alive,
    and walking them over and over is a good part of their CPU time."""
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(50000, 20, 50)
