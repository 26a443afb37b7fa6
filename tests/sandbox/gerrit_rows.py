"""Query rows and stream events: the JSON objects of the SSH interface.

Key names, and which are left out when, follow a recorded Gerrit 3.9.4; with `modern` off they
follow the servers of 2013, whose numbers were strings.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from tests.sandbox.gerrit_model import (
    Account,
    Approval,
    Change,
    Comment,
    FileChange,
    PatchSet,
    Person,
    Store,
)
from tests.sandbox.gerrit_rules import Rules

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class QueryFlags:
    """What `gerrit query` was asked to add to its rows."""

    all_approvals: bool = False
    comments: bool = False
    commit_message: bool = False
    current_patch_set: bool = False
    dependencies: bool = False
    files: bool = False
    patch_sets: bool = False
    submit_records: bool = False
    all_reviewers: bool = False


class Rows:
    """Makes rows of a store's changes; `url` is the server's address without trailing slash."""

    def __init__(self, store: Store, rules: Rules, url: str, modern: bool) -> None:
        self._store = store
        self._rules = rules
        self._url = url
        self.modern = modern

    def account(self, account: Account) -> Row:
        return {"name": account.full_name, "email": account.email, "username": account.username}

    def number(self, number: int) -> int | str:
        return number if self.modern else str(number)

    def url(self, change: Change) -> str:
        if not self.modern:
            return f"{self._url}/{change.number}"
        return f"{self._url}/c/{change.project}/+/{change.number}"

    def query_row(self, change: Change, flags: QueryFlags) -> Row:
        row = self._change(change)
        if flags.commit_message:
            row["commitMessage"] = change.current.message
        if self.modern:
            row["hashtags"] = []
        row["createdOn"] = change.created_at
        row["lastUpdated"] = change.updated_at
        if not self.modern:
            row["sortKey"] = f"{change.sequence:016x}"
        row["open"] = change.is_open
        row["status"] = change.status.value
        if change.wip:
            row["wip"] = True
        if flags.comments:
            row["comments"] = [self._comment(comment) for comment in change.comments]
        row |= self._patch_set_parts(change, flags)
        if flags.dependencies:
            row |= self._dependencies(change)
        if flags.submit_records:
            row["submitRecords"] = [self._submit_record(change)]
        everybody = [*change.reviewers.values(), *change.copied.values()]
        if flags.all_reviewers and everybody:
            row["allReviewers"] = [self.account(a) for a in everybody]
        return row

    def event_change(self, change: Change) -> Row:
        row = self._change(change)
        row["commitMessage"] = change.current.message
        if not self.modern:
            return row
        row["createdOn"] = change.created_at
        row["status"] = change.status.value
        if change.wip:
            row["wip"] = True
        return row

    def patch_set(self, patch_set: PatchSet) -> Row:
        """Without votes and files."""
        row: Row = {
            "number": self.number(patch_set.number),
            "revision": patch_set.revision,
            "parents": list(patch_set.parents),
            "ref": patch_set.ref,
            "uploader": self.account(patch_set.uploader),
            "createdOn": patch_set.created_at,
        }
        if self.modern:
            row["author"] = self._person(patch_set.author)
            row["kind"] = patch_set.kind.value
            row["sizeInsertions"] = patch_set.insertions
            row["sizeDeletions"] = patch_set.deletions
        return row

    def vote(self, label: str, value: int, old: int | None) -> Row:
        """An entry of a comment-added event; `old` None leaves it out."""
        row: Row = {"type": self._type(label), "description": label, "value": str(value)}
        if old is not None and self.modern:
            row["oldValue"] = str(old)
        return row

    def _change(self, change: Change) -> Row:
        row: Row = {"project": change.project, "branch": change.branch}
        if change.topic:
            row["topic"] = change.topic
        row["id"] = change.change_id
        row["number"] = self.number(change.number)
        row["subject"] = change.subject
        row["owner"] = self.account(change.owner)
        row["url"] = self.url(change)
        return row

    def _patch_set_parts(self, change: Change, flags: QueryFlags) -> Row:
        row: Row = {}
        if flags.current_patch_set:
            row["currentPatchSet"] = self._full(change, change.current, True, flags.files)
        if flags.patch_sets or flags.all_approvals:
            row["patchSets"] = [
                self._full(change, patch_set, flags.all_approvals, flags.files)
                for patch_set in change.patch_sets
            ]
        return row

    def _full(self, change: Change, patch_set: PatchSet, votes: bool, files: bool) -> Row:
        row = self.patch_set(patch_set)
        approvals = [self._approval(a) for a in patch_set.approvals.values() if a.value]
        approvals += self._submit_approval(change, patch_set)
        if votes and approvals:
            row["approvals"] = approvals
        if files:
            row["files"] = [self._file(f) for f in patch_set.files]
        return row

    def _submit_approval(self, change: Change, patch_set: PatchSet) -> list[Row]:
        """The vote that stands for the submit, on the patch set submitted and its cherry-pick."""
        if change.submitter is None or change.submitted_at is None:
            return []
        submitted = change.patch_sets[-2:] if change.current.picked else [change.current]
        if patch_set not in submitted:
            return []
        by = self.account(change.submitter)
        return [{"type": "SUBM", "value": "1", "grantedOn": change.submitted_at, "by": by}]

    def _approval(self, approval: Approval) -> Row:
        return {
            "type": self._type(approval.label),
            "description": approval.label,
            "value": str(approval.value),
            "grantedOn": approval.granted_at,
            "by": self.account(approval.by),
        }

    def _type(self, label: str) -> str:
        known = self._store.labels.get(label)
        return label if self.modern or known is None else known.old_type or label

    def _file(self, file: FileChange) -> Row:
        row: Row = {"file": file.path}
        if file.old_path is not None:
            row["fileOld"] = file.old_path
        row["type"] = file.type
        row["insertions"] = file.insertions
        row["deletions"] = -file.deletions
        return row

    def _person(self, person: Person) -> Row:
        row: Row = {"name": person.name, "email": person.email}
        if person.account is not None:
            row["username"] = person.account.username
        return row

    def _comment(self, comment: Comment) -> Row:
        reviewer = self.account(comment.by)
        return {"timestamp": comment.at, "reviewer": reviewer, "message": comment.message}

    def _dependencies(self, change: Change) -> Row:
        row: Row = {}
        above = [
            self._dependency(other, patch_set) | {"isCurrentPatchSet": patch_set is other.current}
            for other, patch_set in self._store.depends_on(change)
        ]
        below = [self._dependency(other, ps) for other, ps in self._store.needed_by(change)]
        if above:
            row["dependsOn"] = above
        if below:
            row["neededBy"] = below
        return row

    def _dependency(self, change: Change, patch_set: PatchSet) -> Row:
        return {
            "id": change.change_id,
            "number": self.number(change.number),
            "revision": patch_set.revision,
            "ref": patch_set.ref,
        }

    def _submit_record(self, change: Change) -> Row:
        labels = []
        for record in self._rules.label_records(change):
            label: Row = {"label": record.label, "status": record.status}
            if record.by is not None:
                label["by"] = self.account(record.by)
            labels.append(label)
        return {"status": self._rules.record_status(change), "labels": labels}


def drop_keys(row: Row, keys: Set[str]) -> Row:
    """A row as a broken server sends it: without some of its keys."""
    return {key: value for key, value in row.items() if key not in keys}
