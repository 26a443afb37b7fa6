"""One line of `gerrit stream-events` -> Heard. Pure.

A line that cannot be read is a StreamError that names the field; it never ends the stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from zuul.drivers.gerrit.fields import (
    FieldError,
    Json,
    find_integer,
    find_object,
    find_rows,
    find_text,
    parse_account,
    parse_approval,
    read_id,
    read_object,
    read_text,
)
from zuul.errors import StreamError
from zuul.model.change import Approval
from zuul.model.trigger import Account, TriggerEvent

#: characters of a comment that filters get to see: its author controls the text they search
MAX_COMMENT_CHARACTERS = 64 * 1024
#: bytes; a longer line is thrown away unread
MAX_LINE_BYTES = 16 * 1024 * 1024

#: events about a patch set that a filter can ask for; all others are counted and no more
CHANGE_EVENTS = frozenset(
    {
        "patchset-created",
        "draft-published",
        "change-abandoned",
        "change-restored",
        "change-merged",
        "comment-added",
    }
)
REF_UPDATED = "ref-updated"

#: which field holds the acting account
_ACTOR = {
    "patchset-created": "uploader",
    "draft-published": "uploader",
    "change-abandoned": "abandoner",
    "change-restored": "restorer",
    "change-merged": "submitter",
    "merge-failed": "submitter",
    "ref-updated": "submitter",
    "comment-added": "author",
    "reviewer-added": "reviewer",
}
_BRANCH_PREFIX = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and what the driver alone wants to know of it."""

    event: TriggerEvent
    #: server's epoch seconds; 0.0 where an old server does not say
    created_at: float = 0.0
    #: the change's Change-Id
    change_id: str | None = None
    #: of change-merged: the commit that landed
    merged_revision: str | None = None


class LineBuffer:
    """Cuts bytes into lines; a line over the limit is thrown away and counted."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False
        #: lines that were thrown away
        self.oversized = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends."""
        *complete, rest = data.split(b"\n")
        lines = []
        for part in complete:
            self._add(part)
            if not self._skipping:
                lines.append(b"".join(self._parts))
            self._parts, self._size, self._skipping = [], 0, False
        self._add(rest)
        return lines

    def _add(self, part: bytes) -> None:
        if not part or self._skipping:
            return
        self._size += len(part)
        if self._size > self._limit:
            self._parts, self._skipping = [], True
            self.oversized += 1
        else:
            self._parts.append(part)


def parse_event(
    line: bytes, connection: str, *, strip_branch_ref: bool = False, received_at: float = 0.0
) -> Heard:
    """Raises StreamError."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"not JSON: {error}", connection=connection) from error
    if not isinstance(data, dict):
        raise StreamError("not a JSON object", connection=connection)
    try:
        return _parse(data, connection, strip_branch_ref, received_at)
    except FieldError as error:
        raise StreamError(str(error), connection=connection) from error


def _parse(data: Json, connection: str, strip_branch_ref: bool, received_at: float) -> Heard:
    kind = read_text(data, "type")
    created_at = float(find_integer(data, "eventCreatedOn") or 0)
    account = _parse_actor(data, kind)
    if kind == REF_UPDATED or "refUpdate" in data:
        event = _parse_ref_update(data, connection, kind, account, strip_branch_ref, received_at)
        return Heard(event, created_at)
    if "change" not in data:
        if kind in CHANGE_EVENTS:
            raise FieldError("change: is missing, expected an object")
        project = data.get("project", data.get("projectName"))
        return Heard(
            TriggerEvent(
                connection,
                kind,
                project=project if isinstance(project, str) else None,
                account=account,
                received_at=received_at,
            ),
            created_at,
        )
    change = read_object(data, "change")
    event = _parse_change_event(data, change, connection, kind, account, received_at)
    return Heard(
        event,
        created_at,
        find_text(change, "id", "change."),
        find_text(data, "newRev") if kind == "change-merged" else None,
    )


def _parse_change_event(
    data: Json,
    change: Json,
    connection: str,
    kind: str,
    account: Account | None,
    received_at: float,
) -> TriggerEvent:
    patchset = refspec = None
    if kind in CHANGE_EVENTS or "patchSet" in data:
        row = read_object(data, "patchSet")
        patchset = read_id(row, "number", "patchSet.")
        refspec = find_text(row, "ref", "patchSet.")
    comment = find_text(data, "comment")
    return TriggerEvent(
        connection,
        kind,
        project=read_text(change, "project", "change."),
        branch=find_text(change, "branch", "change."),
        number=read_id(change, "number", "change."),
        patchset=patchset,
        refspec=refspec,
        change_url=find_text(change, "url", "change."),
        account=account,
        comment=comment if comment is None else comment[:MAX_COMMENT_CHARACTERS],
        approvals=_parse_approvals(data),
        received_at=received_at,
    )


def _parse_ref_update(
    data: Json,
    connection: str,
    kind: str,
    account: Account | None,
    strip_branch_ref: bool,
    received_at: float,
) -> TriggerEvent:
    update = read_object(data, "refUpdate")
    ref = read_text(update, "refName", "refUpdate.")
    if strip_branch_ref:
        ref = ref.removeprefix(_BRANCH_PREFIX)
    return TriggerEvent(
        connection,
        kind,
        project=read_text(update, "project", "refUpdate."),
        account=account,
        ref=ref,
        oldrev=read_text(update, "oldRev", "refUpdate."),
        newrev=read_text(update, "newRev", "refUpdate."),
        received_at=received_at,
    )


def _parse_actor(data: Json, kind: str) -> Account | None:
    key = _ACTOR.get(kind)
    if key is None:
        return None
    row = find_object(data, key)
    return parse_account(row, f"{key}.") if row else None


def _parse_approvals(data: Json) -> tuple[Approval, ...]:
    # Compat: all votes the event lists count, also those that a newer Gerrit repeats unchanged.
    rows = find_rows(data, "approvals")
    return tuple(parse_approval(row, "approvals[].") for row in rows) if rows else ()
