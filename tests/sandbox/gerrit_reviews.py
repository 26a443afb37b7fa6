"""What people do to changes once they are there: vote, comment, abandon, restore, set a topic.

Every verb alters the store and sends the events Gerrit would; a refusal is a Refused with
Gerrit's wording. All of it runs on the server's loop, without awaiting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from tests.sandbox.gerrit_events import Events
from tests.sandbox.gerrit_faults import Faults
from tests.sandbox.gerrit_git import Repository
from tests.sandbox.gerrit_model import (
    ADMINISTRATORS,
    Account,
    Approval,
    Change,
    Comment,
    Label,
    PatchSet,
    Status,
    Store,
)


class Refused(Exception):
    """Gerrit's answer to something it will not do."""


class Reviews:
    """The verbs. `repository(name)` gives a project's repository, `now()` epoch seconds."""

    def __init__(
        self,
        store: Store,
        events: Events,
        faults: Faults,
        repository: Callable[[str], Repository],
        now: Callable[[], int],
        change_url: Callable[[Change], str],
    ) -> None:
        self.store = store
        self.events = events
        self.faults = faults
        self.repository = repository
        self.now = now
        self.change_url = change_url

    # -- votes and comments --------------------------------------------------------------------

    def review(
        self,
        change: Change,
        patch_set: PatchSet,
        by: Account,
        message: str,
        labels: Mapping[str, int],
        tag: str | None = None,
    ) -> dict[str, int]:
        """Vote and comment; answers the votes that counted. Unknown labels and values do not."""
        wanted = self._votes_that_count(labels)
        self._check_votes(change, patch_set, by, wanted)
        changed: list[tuple[Label, int, int]] = []
        for label, value in wanted:
            key = (by.username, label.name)
            old = patch_set.approvals[key].value if key in patch_set.approvals else 0
            if old == value:
                continue
            if self.faults.drop_vote and self.faults.drop_vote(label.name, value, by.username):
                continue
            changed.append((label, value, old))
            patch_set.approvals.pop(key, None)
            if value:
                approval = Approval(label.name, value, by, self.now(), tag)
                patch_set.approvals[key] = approval
        if changed or message.strip():
            self._publish(change, patch_set, by, message, changed, tag)
        return {label.name: value for label, value in wanted}

    def _votes_that_count(self, labels: Mapping[str, int]) -> list[tuple[Label, int]]:
        by_option = {label.option: label for label in self.store.labels.values()}
        known = ((by_option.get(name.lower()), value) for name, value in labels.items())
        return [(label, value) for label, value in known if label and value in label.values]

    def _check_votes(
        self, change: Change, patch_set: PatchSet, by: Account, wanted: list[tuple[Label, int]]
    ) -> None:
        for label, value in wanted:
            low, high = label.range_of(by)
            if not low <= value <= high:
                raise Refused(f'Applying label "{label.name}": {value} is restricted')
        if change.status is Status.ABANDONED and wanted:
            raise Refused("change is closed")
        if change.status is Status.MERGED:
            for label, value in wanted:
                held = patch_set.approvals.get((by.username, label.name))
                if value < (held.value if held else 0):
                    raise Refused(f"Cannot reduce vote on labels for closed change: {label.name}")

    def _publish(
        self,
        change: Change,
        patch_set: PatchSet,
        by: Account,
        message: str,
        changed: list[tuple[Label, int, int]],
        tag: str | None,
    ) -> None:
        text = f"Patch Set {patch_set.number}:"
        for label, value, _old in sorted(changed, key=lambda c: c[0].name):
            text += f" {label.name}{value:+d}" if value else f" -{label.name}"
        if message.strip():
            text += f"\n\n{message.strip()}"
        if changed:
            change.reviewers[by.username] = by
            change.copied.pop(by.username, None)
        elif by != change.owner and by.username not in change.reviewers:
            change.copied[by.username] = by
        self.say(change, patch_set, by, text, tag)
        votes = None
        if change.is_open:
            before = {label.name: old for label, _value, old in changed}
            votes = [
                (label, _value_of(patch_set, by, label), before.get(label.name))
                for label in self.store.labels.values()
            ]
        self.events.comment_added(change, patch_set, by, text, votes)

    def say(
        self, change: Change, patch_set: PatchSet, by: Account, text: str, tag: str | None
    ) -> None:
        """Put a message on the change's page; its /meta ref moves."""
        now = self.now()
        self.store.touch(change, now)
        seed = f"{change.number} {change.sequence} {text}".encode("utf-8", "surrogatepass")
        revision = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        change.comments.append(Comment(revision, by, now, text, patch_set.number, tag))
        meta = f"{change.ref_prefix}/meta"
        self.events.ref_updated(change.project, meta, change.meta_revision, revision, by)
        change.meta_revision = revision

    # -- state ---------------------------------------------------------------------------------

    def abandon(self, change: Change, by: Account, message: str) -> None:
        self._check_owner(change, by, "abandon")
        if change.status is not Status.NEW:
            raise Refused(f"change is {change.status.lower()}")
        change.status = Status.ABANDONED
        self._say_state(change, by, "Abandoned", message, "abandon")
        self.events.change_abandoned(change, by, message.strip())

    def restore(self, change: Change, by: Account, message: str) -> None:
        self._check_owner(change, by, "restore")
        if change.status is not Status.ABANDONED:
            raise Refused(f"change is {change.status.lower()}")
        change.status = Status.NEW
        self._say_state(change, by, "Restored", message, "restore")
        self.events.change_restored(change, by, message.strip())

    def set_topic(self, change: Change, by: Account, topic: str) -> None:
        old = change.topic
        change.topic = topic or None
        text = f"Topic set to {topic}" if topic else f"Topic {old} removed"
        if topic and old:
            text = f"Topic changed from {old} to {topic}"
        self.say(change, change.current, by, text, "autogenerated:gerrit:setTopic")
        self.events.topic_changed(change, by, old or "")

    def set_wip(self, change: Change, by: Account, wip: bool) -> None:
        if change.wip == wip:
            raise Refused(f"change is {'already' if wip else 'not'} work in progress")
        change.wip = wip
        text = "Set Work In Progress" if wip else "Set Ready For Review"
        tag = f"autogenerated:gerrit:{'setWorkInProgress' if wip else 'setReadyForReview'}"
        self.say(change, change.current, by, text, tag)
        self.events.wip_changed(change, by)

    def _check_owner(self, change: Change, by: Account, verb: str) -> None:
        if by != change.owner and ADMINISTRATORS not in by.groups:
            raise Refused(f"{verb} not permitted")

    def _say_state(self, change: Change, by: Account, word: str, message: str, tag: str) -> None:
        text = f"{word}\n\n{message.strip()}" if message.strip() else word
        self.say(change, change.current, by, text, f"autogenerated:gerrit:{tag}")


def _value_of(patch_set: PatchSet, by: Account, label: Label) -> int:
    held = patch_set.approvals.get((by.username, label.name))
    return held.value if held else 0
