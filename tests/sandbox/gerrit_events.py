"""The event stream: what happened, as JSON lines, to everybody who listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_model import Account, Change, Label, PatchSet
from tests.sandbox.gerrit_rows import Row, Rows

#: A reader that is this many lines behind is cut off.
STREAM_LIMIT = 50_000


class EventStream:
    """Lines for the listeners of now; nothing is kept for those who come later."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        #: every event ever sent, for tests to look at
        self.history: list[Row] = []

    def listen(self) -> asyncio.Queue[bytes | None]:
        """A queue of lines; None means that the stream is over."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(STREAM_LIMIT)
        self._listeners.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(queue)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def send(self, event: Row) -> None:
        self.history.append(event)
        if not self._faults.stream_muted:
            self.send_raw(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")

    def send_raw(self, text: str) -> None:
        """Any text, such as a broken line."""
        data = text.encode("utf-8", "surrogateescape")
        for queue in list(self._listeners):
            if queue.qsize() >= STREAM_LIMIT - 1:
                self._end(queue)
            else:
                queue.put_nowait(data)

    def close(self) -> None:
        """End every listener's stream."""
        for queue in list(self._listeners):
            self._end(queue)

    def _end(self, queue: asyncio.Queue[bytes | None]) -> None:
        self.leave(queue)
        while queue.full():
            queue.get_nowait()
        queue.put_nowait(None)


class Events:
    """One method an event type; each builds the event and sends it."""

    def __init__(self, stream: EventStream, rows: Rows, now: Callable[[], int]) -> None:
        self._stream = stream
        self._rows = rows
        self._now = now

    def ref_updated(
        self, project: str, ref: str, old: str, new: str, submitter: Account | None
    ) -> None:
        name = ref if self._rows.modern else ref.removeprefix("refs/heads/")
        update = {"oldRev": old, "newRev": new, "refName": name, "project": project}
        event: Row = {"refUpdate": update}
        if submitter is not None:
            event = {"submitter": self._rows.account(submitter), **event}
        self._send("ref-updated", event)

    def project_created(self, project: str) -> None:
        self._send("project-created", {"projectName": project, "headName": "refs/heads/master"})

    def patchset_created(self, change: Change, patch_set: PatchSet) -> None:
        uploader = self._rows.account(patch_set.uploader)
        self._of_change("patchset-created", change, patch_set, uploader=uploader)

    def comment_added(
        self,
        change: Change,
        patch_set: PatchSet,
        author: Account,
        comment: str,
        votes: list[tuple[Label, int, int | None]] | None,
    ) -> None:
        """`votes`: (label, value now, value before or None if unchanged); None on closed ones."""
        extra: dict[str, Any] = {"author": self._rows.account(author)}
        if votes is not None:
            rows = [self._rows.vote(label.name, value, old) for label, value, old in votes]
            extra["approvals"] = rows
        self._of_change("comment-added", change, patch_set, **extra, comment=comment)

    def change_merged(self, change: Change, submitter: Account, new_revision: str) -> None:
        who = self._rows.account(submitter)
        extra = {"newRev": new_revision} if self._rows.modern else {}
        self._of_change("change-merged", change, change.current, submitter=who, **extra)

    def change_abandoned(self, change: Change, by: Account, reason: str) -> None:
        who = self._rows.account(by)
        extra = {"abandoner": who, "reason": reason}
        self._of_change("change-abandoned", change, change.current, **extra)

    def change_restored(self, change: Change, by: Account, reason: str) -> None:
        extra: dict[str, Any] = {"restorer": self._rows.account(by)}
        if reason:
            extra["reason"] = reason
        self._of_change("change-restored", change, change.current, **extra)

    def topic_changed(self, change: Change, by: Account, old: str | None) -> None:
        extra: dict[str, Any] = {"changer": self._rows.account(by)}
        if old is not None:
            extra["oldTopic"] = old
        self._of_change("topic-changed", change, None, **extra)

    def wip_changed(self, change: Change, by: Account) -> None:
        who = self._rows.account(by)
        self._of_change("wip-state-changed", change, change.current, changer=who)

    def reviewer_added(self, change: Change, reviewer: Account, adder: Account) -> None:
        who, by = self._rows.account(reviewer), self._rows.account(adder)
        self._of_change("reviewer-added", change, change.current, reviewer=who, adder=by)

    def _of_change(
        self, kind: str, change: Change, patch_set: PatchSet | None, **extra: Any
    ) -> None:
        event: Row = dict(extra)
        if patch_set is not None:
            event["patchSet"] = self._rows.patch_set(patch_set)
        event["change"] = self._rows.event_change(change)
        if self._rows.modern:
            event["project"] = change.project
            event["refName"] = f"refs/heads/{change.branch}"
            event["changeKey"] = {"id": change.change_id}
        self._send(kind, event)

    def _send(self, kind: str, event: Row) -> None:
        event["type"] = kind
        if self._rows.modern:
            event["eventCreatedOn"] = self._now()
        self._stream.send(event)
