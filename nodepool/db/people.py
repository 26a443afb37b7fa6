"""People: what the command line reads and writes, beside a daemon that holds the lease.

A node's state is set in its row; the daemon sees it by `Store.changes`, or when it writes the row
itself: the person wins. Work on images is left as a request, which the daemon takes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from nodepool.db import rows as convert
from nodepool.db.database import Database
from nodepool.db.schema import DAEMON, IMAGE_REQUEST, JOB, NODE
from nodepool.db.store import read_images, read_nodes
from nodepool.model import Node, NodeState, SnapshotImage


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job of which failed nodes are kept."""

    id: int
    name: str
    hold_on_failure: int


@dataclass(frozen=True, slots=True)
class DaemonRow:
    """Whose the database is, and what its daemon shows of itself."""

    nodepool_id: str
    #: "": no daemon holds the lease
    holder: str
    #: change as long as the holder lives, each lease.TTL_SECONDS at least
    signs: tuple[int, int, int]


class People:
    """For any thread; raises StoreError, and waits for nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def nodes(self) -> list[Node]:
        """By provider and label."""
        with self._database.read() as connection:
            return read_nodes(connection)

    def images(self) -> list[SnapshotImage]:
        """By provider and image."""
        with self._database.read() as connection:
            return read_images(connection)

    def node(self, node_id: int) -> Node | None:
        return next((each for each in self.nodes() if each.id == node_id), None)

    def image(self, image_id: int) -> SnapshotImage | None:
        return next((each for each in self.images() if each.id == image_id), None)

    def daemon(self) -> DaemonRow:
        with self._database.read() as connection:
            row = connection.execute(sa.select(DAEMON)).one()
        return DaemonRow(row.nodepool_id, row.holder, (row.token, row.beat, row.serial))

    def jobs(self) -> list[JobRow]:
        with self._database.read() as connection:
            found = connection.execute(sa.select(JOB).order_by(JOB.c.name, JOB.c.id)).all()
        return [JobRow(row.id, row.name or "", row.hold_on_failure or 0) for row in found]

    def set_state(
        self,
        node_id: int,
        state: Literal[NodeState.HOLD, NodeState.DELETE],
        now: float,
        comment: str | None = None,
    ) -> bool:
        """False: there is no such node."""
        values: dict[str, Any] = {"state": int(state), "state_time": int(now)}
        if comment is not None:
            values["comment"] = convert.clean(comment)
        this = NODE.update().where(NODE.c.id == node_id)
        with self._database.write() as connection:
            if state is NodeState.HOLD:
                # So the daemon hears of it: the time of a node that is held begins anew.
                held = (NODE.c.state == NodeState.HOLD, NODE.c.written_state == NodeState.HOLD)
                connection.execute(this.where(*held).values(written_state=None))
            return bool(connection.execute(this.values(**values)).rowcount)

    def request_image(self, provider: str, image: str) -> int:
        """Have it built; that nodepool.yaml has such an image is the caller's to see."""
        values = {"action": "update", "provider_name": provider, "image_name": image}
        return self._insert(IMAGE_REQUEST, values)

    def request_image_deletion(self, image_id: int, *, force: bool = False) -> int | None:
        """None: there is no such image. `force`: have its row dropped, whatever is left of it."""
        if self.image(image_id) is None:
            return None
        action = "forget" if force else "delete"
        return self._insert(IMAGE_REQUEST, {"action": action, "image_id": image_id})

    def is_waiting(self, request: int) -> bool:
        """The daemon did not do it yet; once it did, the rows of what came of it are there."""
        this = sa.select(IMAGE_REQUEST.c.id).where(IMAGE_REQUEST.c.id == request)
        with self._database.read() as connection:
            return connection.scalar(this) is not None

    def add_job(self, name: str, hold_on_failure: int) -> int:
        """Its id."""
        return self._insert(JOB, {"name": convert.clean(name), "hold_on_failure": hold_on_failure})

    def remove_job(self, job_id: int) -> bool:
        """False: there is no such job."""
        with self._database.write() as connection:
            return bool(connection.execute(JOB.delete().where(JOB.c.id == job_id)).rowcount)

    def _insert(self, table: sa.Table, values: dict[str, Any]) -> int:
        with self._database.write() as connection:
            key = connection.execute(table.insert().values(**values)).inserted_primary_key
        assert key is not None
        return int(key[0])
