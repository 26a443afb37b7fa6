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
from nodepool.db.schema import IMAGE_REQUEST, JOB, NODE, SNAPSHOT_IMAGE
from nodepool.db.store import read_images, read_nodes
from nodepool.model import Node, NodeState, SnapshotImage


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job of which failed nodes are kept."""

    id: int
    name: str
    hold_on_failure: int


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
        with self._database.write() as connection:
            this = NODE.update().where(NODE.c.id == node_id)
            return bool(connection.execute(this.values(**values)).rowcount)

    def request_image(self, provider: str, image: str) -> None:
        """Have it built; that nodepool.yaml has such an image is the caller's to see."""
        self._request({"action": "update", "provider_name": provider, "image_name": image})

    def request_image_deletion(self, image_id: int) -> bool:
        """False: there is no such image."""
        with self._database.read() as connection:
            this = sa.select(SNAPSHOT_IMAGE.c.id).where(SNAPSHOT_IMAGE.c.id == image_id)
            if connection.scalar(this) is None:
                return False
        self._request({"action": "delete", "image_id": image_id})
        return True

    def add_job(self, name: str, hold_on_failure: int) -> int:
        """Its id."""
        values = {"name": convert.clean(name), "hold_on_failure": hold_on_failure}
        with self._database.write() as connection:
            key = connection.execute(JOB.insert().values(**values)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def remove_job(self, job_id: int) -> bool:
        """False: there is no such job."""
        with self._database.write() as connection:
            return bool(connection.execute(JOB.delete().where(JOB.c.id == job_id)).rowcount)

    def _request(self, values: dict[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(IMAGE_REQUEST.insert().values(**values))
