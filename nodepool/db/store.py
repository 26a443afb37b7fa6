"""Store: the core's Ledger and Numbers on a database.

A batch of rows is one transaction. It begins with the daemon's own row, where the lease's token and
the number of the last commit must be ours: so a daemon that lost its lease writes nothing, and a
commit whose answer was lost is not done twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nodepool.core.commands import (
    RemoveImage,
    RemoveNode,
    RemoveRequest,
    Row,
    SaveHeard,
    SaveImage,
    SaveNode,
)
from nodepool.core.events import Event, Request, RowChanged
from nodepool.db import rows as convert
from nodepool.db.database import Database
from nodepool.db.lease import Lease, LeaseLost
from nodepool.db.schema import DAEMON, HEARD, IMAGE_REQUEST, JOB, NODE, SNAPSHOT_IMAGE, SUBNODE
from nodepool.errors import StoreError, StoreUnavailable
from nodepool.model import Heard, Node, NodeState, SnapshotImage
from zuul.lib.logs import fields

log = logging.getLogger("nodepool.NodeDatabase")

#: how long a commit waits for a database that went away; then the process ends
PATIENCE_SECONDS: Final = 180.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
#: what a person may give a node; other states are the daemon's
OF_PEOPLE: Final = (NodeState.HOLD, NodeState.DELETE)

Loaded = tuple[Sequence[Node], Sequence[SnapshotImage], Mapping[str, int]]
T = TypeVar("T")


class Store:
    """The ledger of the nodepoold that holds the lease. For one thread, save where it is said."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        patience: float = PATIENCE_SECONDS,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pause`: waits so many seconds; true: the daemon is to stop, so no try follows."""
        self._database = database
        self._lease = lease
        self._patience = patience
        self._pause = pause
        self._clock = clock
        self._serial = 0
        self._last_node: int | None = None
        self._last_image: int | None = None
        #: answer of a commit of which it is not known whether it was done
        self._in_doubt: list[Event] = []

    # -- Numbers -----------------------------------------------------------------------------------

    def next_node(self) -> int:
        """Asks no database: what is never written was never used, and may be given again."""
        assert self._last_node is not None, "load() comes first"
        self._last_node += 1
        return self._last_node

    def next_image(self) -> int:
        assert self._last_image is not None, "load() comes first"
        self._last_image += 1
        return self._last_image

    # -- Ledger ------------------------------------------------------------------------------------

    def nodepool_id(self) -> str:
        def read() -> str:
            with self._database.read() as connection:
                return str(connection.scalar(sa.select(DAEMON.c.nodepool_id)))

        return self._insist(read)

    def load(self) -> Loaded:
        """All nodes by provider and label, all images by provider and image, holds by job.

        Once, with the lease in hand. Raises StoreError.
        """
        return self._insist(self._load)

    def heard(self) -> Heard:
        """What was saved last, by whoever it was. Raises StoreError."""

        def read() -> Heard:
            with self._database.read() as connection:
                found = connection.execute(sa.select(HEARD).order_by(HEARD.c.id))
                return convert.read_heard(row._mapping for row in found)

        return self._insist(read)

    def commit(self, rows: Sequence[Row]) -> Sequence[Event]:
        """All rows or none; waits for a database that is away. Raises StoreError, LeaseLost."""
        if not rows:
            return ()
        self._in_doubt = []
        return self._insist(lambda: self._commit(rows))

    # -- what people did; for any thread -----------------------------------------------------------

    def changes(self) -> Sequence[RowChanged]:
        """Nodes that people held, or gave another state, since we wrote them; told until we write
        them."""
        changed = sa.select(NODE.c.id, NODE.c.state, NODE.c.comment).where(
            NODE.c.state.is_distinct_from(NODE.c.written_state), NODE.c.state.in_(OF_PEOPLE)
        )
        with self._database.read() as connection:
            return [
                RowChanged(row.id, NodeState(row.state), row.comment)
                for row in connection.execute(changed.order_by(NODE.c.id))
            ]

    def holds(self) -> Mapping[str, int]:
        """Nodes to hold, by job."""
        with self._database.read() as connection:
            return _read_holds(connection)

    def requests(self) -> Sequence[Request]:
        """What people ask for about images; told until the answer's rows are written."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(IMAGE_REQUEST).order_by(IMAGE_REQUEST.c.id))
            return [convert.read_request(row._mapping) for row in found]

    # -- within a transaction ----------------------------------------------------------------------

    def _load(self) -> Loaded:
        with self._database.write() as connection:
            self._check_token(connection)
            daemon = connection.execute(sa.select(DAEMON)).one()
            # Changes made while nobody watched are in what we return. Nodes that people hold do not
            # count against what the job that ran on them may hold.
            held = NODE.update().where(
                NODE.c.state == NodeState.HOLD, NODE.c.state != NODE.c.written_state
            )
            connection.execute(held.values(job_name=None, delete_at=None))
            connection.execute(NODE.update().values(written_state=NODE.c.state))
            nodes, images = read_nodes(connection), read_images(connection)
            holds = _read_holds(connection)
        self._serial = daemon.serial
        # A person may have put rows in by hand.
        self._last_node = max([daemon.last_node, *(node.id for node in nodes)])
        self._last_image = max([daemon.last_image, *(image.id for image in images)])
        return nodes, images, holds

    def _commit(self, rows: Sequence[Row]) -> Sequence[Event]:
        with self._database.write() as connection:
            if self._is_done(connection):
                events = self._in_doubt
            else:
                events = [event for row in rows for event in _write(connection, row)]
                self._in_doubt = events
        self._serial += 1
        return events

    def _is_done(self, connection: Connection) -> bool:
        """Claim the next serial; true if an earlier try of this commit has it already."""
        assert self._last_node is not None, "load() comes first"
        token = self._lease.held_token()
        claim = DAEMON.update().where(DAEMON.c.token == token, DAEMON.c.serial == self._serial)
        numbers = {"last_node": self._last_node, "last_image": self._last_image}
        if connection.execute(claim.values(serial=self._serial + 1, **numbers)).rowcount:
            return False
        found = connection.execute(sa.select(DAEMON.c.token, DAEMON.c.serial)).one()
        if tuple(found) != (token, self._serial + 1):
            raise LeaseLost
        return True

    def _check_token(self, connection: Connection) -> None:
        """Lock the daemon's row, if it is ours."""
        ours = DAEMON.update().where(DAEMON.c.token == self._lease.held_token())
        if not connection.execute(ours.values(beat=DAEMON.c.beat + 1)).rowcount:
            raise LeaseLost

    def _insist(self, work: Callable[[], T]) -> T:
        began, pause = self._clock(), FIRST_PAUSE_SECONDS
        tries = 1
        while True:
            try:
                result = work()
            except StoreUnavailable as error:
                waited = self._clock() - began
                if waited + pause > self._patience:
                    text = f"{error} (tried {tries} times in {waited:.0f} s)"
                    raise StoreError(text) from error
                about = fields(tries=tries, next_in=f"{pause:.2f}s", reason=error)
                log.warning("Database away, trying again %s", about)
                if self._pause(pause):
                    raise
                pause, tries = min(pause * 2, LONGEST_PAUSE_SECONDS), tries + 1
                continue
            if tries > 1:
                seconds = f"{self._clock() - began:.1f}"
                log.warning("Database is back %s", fields(tries=tries, seconds=seconds))
            return result


def read_nodes(connection: Connection) -> list[Node]:
    """By provider, label and id, as people are shown them."""
    subnodes: dict[int, list[convert.Values]] = {}
    for row in connection.execute(sa.select(SUBNODE).order_by(SUBNODE.c.position, SUBNODE.c.id)):
        subnodes.setdefault(row.node_id, []).append(row._mapping)
    order = (NODE.c.provider_name, NODE.c.label_name, NODE.c.id)
    return [
        convert.read_node(row._mapping, subnodes.get(row.id, ()))
        for row in connection.execute(sa.select(NODE).order_by(*order))
    ]


def read_images(connection: Connection) -> list[SnapshotImage]:
    """By provider, image and id."""
    table = SNAPSHOT_IMAGE
    order = (table.c.provider_name, table.c.image_name, table.c.id)
    found = connection.execute(sa.select(table).order_by(*order))
    return [convert.read_image(row._mapping) for row in found]


def _read_holds(connection: Connection) -> dict[str, int]:
    return convert.read_holds([row._mapping for row in connection.execute(sa.select(JOB))])


def _write(connection: Connection, row: Row) -> list[Event]:
    match row:
        case SaveNode(node, None):
            _insert_node(connection, node)
        case SaveNode(node, before):
            return _save_node(connection, node, before)
        case RemoveNode(node_id):
            connection.execute(SUBNODE.delete().where(SUBNODE.c.node_id == node_id))
            connection.execute(NODE.delete().where(NODE.c.id == node_id))
        case SaveImage(image):
            _save_image(connection, image)
        case RemoveImage(image_id):
            gone = SNAPSHOT_IMAGE.delete().where(SNAPSHOT_IMAGE.c.id == image_id)
            connection.execute(gone)
        case RemoveRequest(request):
            connection.execute(IMAGE_REQUEST.delete().where(IMAGE_REQUEST.c.id == request))
        case SaveHeard(heard):
            connection.execute(HEARD.delete())
            if values := convert.heard_values(heard):
                connection.execute(HEARD.insert(), values)
    return []


def _insert_node(connection: Connection, node: Node) -> None:
    values = convert.node_values(node)
    connection.execute(NODE.insert().values(id=node.id, written_state=values["state"], **values))
    if subnodes := convert.subnode_values(node):
        connection.execute(SUBNODE.insert(), subnodes)


def _save_node(connection: Connection, node: Node, before: NodeState | None) -> list[Event]:
    """Compare and set; what people may not set is set back."""
    values = convert.node_values(node)
    this = NODE.update().where(NODE.c.id == node.id)
    untouched = NODE.c.state.is_(None) | NODE.c.state.not_in([s for s in OF_PEOPLE if s != before])
    if before is NodeState.HOLD and node.state is not NodeState.HOLD:
        # A hold that we were not told of yet, perhaps the second of this node, is not over.
        untouched &= (NODE.c.state != NodeState.HOLD) | (NODE.c.written_state == NodeState.HOLD)
    ours = this.where(untouched).values(written_state=values["state"], **values)
    if connection.execute(ours).rowcount:
        _save_subnodes(connection, node)
        return []
    # Of the row as it is now: a person may be quick, and hold what was just deleted.
    theirs = {name: values[name] for name in values if name not in _THEIRS}
    if not connection.execute(this.values(**theirs)).rowcount:
        # Whatever exists in a cloud has a row: one that somebody removed comes back.
        log.warning("Row was missing and is written anew %s", fields(node=node.id))
        connection.execute(SUBNODE.delete().where(SUBNODE.c.node_id == node.id))
        _insert_node(connection, node)
        return []
    _save_subnodes(connection, node)
    found = connection.execute(
        sa.select(NODE.c.id, NODE.c.state, NODE.c.comment).where(NODE.c.id == node.id)
    ).one()
    state = convert.read_state("node", found._mapping)
    if state is node.state:
        connection.execute(this.values(written_state=int(state)))
    return [RowChanged(node.id, state, found.comment)]


_THEIRS: Final = ("state", "state_time", "comment")


def _save_subnodes(connection: Connection, node: Node) -> None:
    for values in convert.subnode_values(node):
        this = SUBNODE.update().where(
            SUBNODE.c.node_id == node.id, SUBNODE.c.position == values["position"]
        )
        if not connection.execute(this.values(**values)).rowcount:
            connection.execute(SUBNODE.insert().values(**values))


def _save_image(connection: Connection, image: SnapshotImage) -> None:
    values = convert.image_values(image)
    this = SNAPSHOT_IMAGE.update().where(SNAPSHOT_IMAGE.c.id == image.id)
    if not connection.execute(this.values(**values)).rowcount:
        connection.execute(SNAPSHOT_IMAGE.insert().values(id=image.id, **values))
