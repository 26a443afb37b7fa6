"""What was heard of late, and the events that must be made up when the stream was down. Pure.

After a reconnect the changes that altered meanwhile are queried. Their patch sets, comments, votes
and states are made into the events that were missed; what had been heard is left out, and so is
what the new stream repeats.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from zuul.drivers.gerrit.records import Comment, PatchSet, Row
from zuul.drivers.gerrit.stream import MAX_COMMENT_CHARACTERS, Heard
from zuul.model.change import Approval, normalize_label
from zuul.model.trigger import Account, TriggerEvent

#: the same words by the same person are one event if their times differ by less: an event is
#: stamped a little after what it tells
SAME_EVENT_SECONDS = 30.0
MAX_REMEMBERED = 20_000

_PATCH_SET = re.compile(r"Patch Set (\d+)\b")
_VOTE = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9-]*)([+-]\d+)(?=\s|$)")
_REMOVED_VOTE = re.compile(r"(?:^|\s)-([A-Za-z][A-Za-z0-9-]*)(?=\s|$)")
_MERGED = "Change has been successfully "
_COMMIT_MESSAGE_EDITED = "was updated"
_SUBMIT_LABEL = "subm"

Key = tuple[str, ...]


class HeardMemory:
    """Recent events by identity. Owned by the thread that watches the stream."""

    def __init__(self, connection: str, limit: int = MAX_REMEMBERED) -> None:
        self._connection = connection
        self._limit = limit
        self._heard: OrderedDict[Key, list[float]] = OrderedDict()
        #: made up, and not yet heard from the stream as well
        self._made_up: dict[Key, list[float]] = {}
        #: (project, ref as the server sends it) -> where it was last
        self._refs: OrderedDict[tuple[str, str], str] = OrderedDict()
        #: newest time of an event by the server's clock; 0.0 before the first
        self.newest_at = 0.0

    def remember(self, heard: Heard) -> bool:
        """Take note of an event of the stream; False if it repeats one that was made up."""
        at = heard.created_at or heard.event.received_at
        self.newest_at = max(self.newest_at, at)
        key = _identify(heard.event)
        if key is None:
            self._note_ref(heard.event)
            return True
        self._add(key, at)
        return not _take(self._made_up.get(key, []), at)

    def make_up(self, rows: Iterable[Row], since: float, received_at: float) -> list[Heard]:
        """Events of `rows` at or after `since` (server's epoch seconds) that were not heard."""
        # The server tells whole seconds: what it dates before `since` may have been after it.
        since = math.floor(since)
        entries = sorted(
            (entry for row in rows for entry in self._row_events(row, since, received_at)),
            key=lambda heard: heard.created_at,
        )
        known = {key: list(times) for key, times in self._heard.items()}
        missed = []
        for heard in entries:
            key = _identify(heard.event)
            if key is not None and not _take(known.get(key, []), heard.created_at):
                missed.append(heard)
        self._made_up = {}
        for heard in missed:
            key = _identify(heard.event)
            assert key is not None
            self._add(key, heard.created_at)
            self._made_up.setdefault(key, []).append(heard.created_at)
            self.newest_at = max(self.newest_at, heard.created_at)
        return missed

    def find_ref(self, project: str, branch: str) -> tuple[str, str | None]:
        """(name, revision) of a branch as the stream last told it; a guess at the name and None
        if it did not."""
        for name in (f"refs/heads/{branch}", branch):
            revision = self._refs.get((project, name))
            if revision is not None:
                return name, revision
        is_short = any(not name.startswith("refs/") for _, name in self._refs)
        return (branch if is_short else f"refs/heads/{branch}"), None

    def _note_ref(self, event: TriggerEvent) -> None:
        if event.project is None or event.ref is None or event.newrev is None:
            return
        if not event.ref.startswith("refs/changes/"):
            self._refs[event.project, event.ref] = event.newrev
            self._refs.move_to_end((event.project, event.ref))
            if len(self._refs) > self._limit:
                self._refs.popitem(last=False)

    def _add(self, key: Key, at: float) -> None:
        times = self._heard.setdefault(key, [])
        times.append(at)
        del times[:-100]
        self._heard.move_to_end(key)
        if len(self._heard) > self._limit:
            self._heard.popitem(last=False)

    # -- from a row to events ------------------------------------------------------------------

    def _row_events(self, row: Row, since: float, received_at: float) -> Iterator[Heard]:
        for patchset in row.patchsets.values():
            if patchset.created_at >= since:
                yield self._event(
                    row,
                    "patchset-created",
                    patchset.number,
                    patchset.uploader,
                    patchset.created_at,
                    received_at,
                )
        for comment in row.comments:
            if comment.at >= since:
                yield from self._comment_events(row, comment, received_at)
        merged = _find_merge(row)
        if merged is not None and merged[1] >= since:
            account, at = merged
            yield self._event(row, "change-merged", row.current, account, at, received_at)

    def _comment_events(self, row: Row, comment: Comment, received_at: float) -> Iterator[Heard]:
        first_line = comment.message.partition("\n")[0].strip()
        for word, kind in (("Abandoned", "change-abandoned"), ("Restored", "change-restored")):
            if first_line == word:
                yield self._event(row, kind, row.current, comment.author, comment.at, received_at)
        match = _PATCH_SET.match(first_line)
        if match is None or match[1] not in row.patchsets:
            return
        if first_line.endswith(_COMMIT_MESSAGE_EDITED):
            return
        yield self._event(
            row,
            "comment-added",
            match[1],
            comment.author,
            comment.at,
            received_at,
            comment.message[:MAX_COMMENT_CHARACTERS],
            _find_votes(first_line[match.end() :], row.patchsets[match[1]], comment),
        )

    def _event(
        self,
        row: Row,
        kind: str,
        patchset: str,
        account: Account | None,
        at: float,
        received_at: float,
        comment: str | None = None,
        approvals: tuple[Approval, ...] = (),
    ) -> Heard:
        event = TriggerEvent(
            self._connection,
            kind,
            project=row.project,
            branch=row.branch,
            number=row.number,
            patchset=patchset,
            refspec=row.patchsets[patchset].ref,
            change_url=row.url,
            account=account or Account(),
            comment=comment,
            approvals=approvals,
            received_at=received_at,
        )
        return Heard(event, at, row.change_id or None)


def _find_votes(text: str, patchset: PatchSet, comment: Comment) -> tuple[Approval, ...]:
    """What a comment voted: as its first line says, else what was granted in that moment."""
    votes = {normalize_label(label): int(value) for label, value in _VOTE.findall(text)}
    votes |= {normalize_label(label): 0 for label in _REMOVED_VOTE.findall(text)}
    if votes:
        return tuple(Approval(label, value) for label, value in votes.items())
    return tuple(
        Approval(approval.label, approval.value)
        for approval in patchset.approvals
        if approval.username == comment.author.username
        and approval.label != _SUBMIT_LABEL
        and abs(approval.granted_at - comment.at) <= 1
    )


def _find_merge(row: Row) -> tuple[Account | None, float] | None:
    """Who merged it and when (server's epoch seconds); None if it is not merged."""
    if row.status != "MERGED":
        return None
    for approval in row.approvals:
        if approval.label == _SUBMIT_LABEL:
            return Account(approval.username, approval.email), approval.granted_at
    for comment in reversed(row.comments):
        if comment.message.startswith(_MERGED):
            return comment.author, comment.at
    return None, row.updated_at


def _identify(event: TriggerEvent) -> Key | None:
    """What makes an event the same when told twice; None for those that are never made up."""
    if event.number is None:
        return None
    user = (event.account and (event.account.username or event.account.email)) or ""
    if event.type in ("patchset-created", "change-merged"):
        return event.type, event.number, event.patchset or ""
    if event.type in ("change-abandoned", "change-restored"):
        return event.type, event.number, user
    if event.type == "comment-added":
        return event.type, event.number, user, (event.comment or "").strip()
    return None


def _take(times: list[float], at: float) -> bool:
    """Whether one of `times` is near; it is used up."""
    for index, time in enumerate(times):
        if abs(time - at) <= SAME_EVENT_SECONDS:
            del times[index]
            return True
    return False
