"""Lease: of all nodepoolds on one database, the one that may write.

    standing by --take()--> holding --renew() or any commit, again and again--> release()

No two clocks are compared. A holder counts up a number in the database; whoever stands by takes
over when it saw the same number for `ttl` seconds on its own clock. A token, one higher with every
holder, is asked for in each writing transaction: who slept through its end writes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from nodepool.db.database import Database
from nodepool.db.schema import DAEMON
from nodepool.errors import StoreError
from zuul.lib.logs import fields

log = logging.getLogger("nodepool.NodeDatabase")

#: without a sign of life for so long, another may take over; renew three times as often
TTL_SECONDS: Final = 15.0


class LeaseLost(StoreError):
    """Another nodepoold took this database over."""


class Lease:
    """One daemon's part. For one thread, but for `token`, which any may read."""

    def __init__(
        self,
        database: Database,
        holder: str,
        ttl: float = TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        is_dead: Callable[[str], bool] = lambda holder: False,
    ) -> None:
        """`holder`: host, process and a random part, so that it is nobody else's. `is_dead`: of
        which holders it is known that they will never write again."""
        self._database = database
        self._holder = holder
        self._ttl = ttl
        self._clock = clock
        self._is_dead = is_dead
        self._seen: tuple[int, int, int] | None = None
        self._seen_at = 0.0
        #: None: standing by
        self.token: int | None = None

    def take(self) -> bool:
        """Try once; False: another holds it. To be called every few seconds until it is ours."""
        try:
            taken = self._try()
        except StoreError:
            # While the database is away no holder can show that it lives.
            self._seen = None
            raise
        return taken

    def renew(self) -> None:
        """Show that we live. Raises LeaseLost, once it is another's for good."""
        alive = DAEMON.update().values(beat=DAEMON.c.beat + 1)
        with self._database.write() as connection:
            if not connection.execute(alive.where(DAEMON.c.token == self.held_token())).rowcount:
                raise LeaseLost
        # Standing by begins anew, if it ever does.
        self._seen = None

    def release(self) -> None:
        """Let the next take it at once; the daemon writes nothing any more."""
        token, self.token = self.token, None
        if token is None:
            return
        with self._database.write() as connection:
            connection.execute(DAEMON.update().where(DAEMON.c.token == token).values(holder=""))
        log.info("Lease released %s", fields(token=token))

    def held_token(self) -> int:
        """Raises LeaseLost while standing by."""
        if self.token is None:
            raise LeaseLost("this nodepoold stands by: it may not write")
        return self.token

    def _try(self) -> bool:
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(DAEMON.c.holder, DAEMON.c.token, DAEMON.c.beat, DAEMON.c.serial)
            ).one()
        if row.holder == self._holder:
            return self._won(row.token)  # ours since a try whose answer got lost
        signs = (row.token, row.beat, row.serial)
        if row.holder and not (self._is_dead(row.holder) or self._is_quiet(signs, row.holder)):
            return False
        ours = DAEMON.update().where(
            DAEMON.c.token == row.token, DAEMON.c.beat == row.beat, DAEMON.c.serial == row.serial
        )
        with self._database.write() as connection:
            token = row.token + 1
            won = connection.execute(ours.values(holder=self._holder, token=token)).rowcount
        return bool(won) and self._won(token)

    def _is_quiet(self, signs: tuple[int, int, int], holder: str) -> bool:
        now = self._clock()
        if signs != self._seen:
            if self._seen is None or self._seen[0] != signs[0]:
                log.info("Standing by for another nodepoold %s", fields(holder=holder))
            self._seen, self._seen_at = signs, now
        return now - self._seen_at >= self._ttl

    def _won(self, token: int) -> bool:
        self.token, self._seen = token, None
        log.info("Lease taken %s", fields(holder=self._holder, token=token))
        return True
