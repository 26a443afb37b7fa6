"""ChangeInfo and its kin: the JSON objects of the REST interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from typing import Any
from urllib.parse import quote

from tests.sandbox.gerrit_git import CommitFacts, Repository
from tests.sandbox.gerrit_model import (
    Account,
    Change,
    FileChange,
    Label,
    PatchSet,
    Status,
    Store,
)
from tests.sandbox.gerrit_rules import Requirement, Rules

Info = dict[str, Any]
_STATUS_LETTERS = {"ADDED": "A", "DELETED": "D", "RENAMED": "R", "COPIED": "C", "REWRITE": "W"}


def timestamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + ".000000000"


class RestRows:
    """Makes infos; `options` are the `o=` parameters."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        repository: Callable[[str], Repository],
    ) -> None:
        self._store = store
        self._rules = rules
        self._repository = repository

    def account(self, account: Account, detailed: bool = True) -> Info:
        info: Info = {"_account_id": account.account_id}
        if detailed:
            info |= {
                "name": account.full_name,
                "email": account.email,
                "username": account.username,
            }
            if account.is_service_user:
                info["tags"] = ["SERVICE_USER"]
        return info

    def change(self, change: Change, options: Set[str], caller: Account) -> Info:
        detailed = "DETAILED_ACCOUNTS" in options
        info = self._summary(change, options, detailed)
        if {"LABELS", "DETAILED_LABELS"} & options:
            info |= self._labels(change, caller, detailed, "DETAILED_LABELS" in options)
        if "MESSAGES" in options:
            info["messages"] = self._messages(change, detailed)
        if {"CURRENT_REVISION", "ALL_REVISIONS"} & options:
            wanted = change.patch_sets if "ALL_REVISIONS" in options else [change.current]
            info["current_revision"] = change.current.revision
            info["revisions"] = {p.revision: self._revision(change, p, options) for p in wanted}
        info["requirements"] = []
        info["submit_records"] = [self._submit_record(change, detailed)]
        if "SUBMIT_REQUIREMENTS" in options:
            requirements = self._rules.requirements(change)
            info["submit_requirements"] = [_requirement(r) for r in requirements]
        return info

    def _summary(self, change: Change, options: Set[str], detailed: bool) -> Info:
        project = quote(change.project, safe="")
        files = change.current.files[1:]
        info: Info = {
            "id": f"{project}~{change.number}",
            "triplet_id": f"{project}~{quote(change.branch, safe='')}~{change.change_id}",
            "project": change.project,
            "branch": change.branch,
        }
        if change.topic:
            info["topic"] = change.topic
        info |= {
            "hashtags": [],
            "change_id": change.change_id,
            "subject": change.subject,
            "status": change.status.value,
            "created": timestamp(change.created_at),
            "updated": timestamp(change.updated_at),
        }
        if change.submitted_at is not None and change.submitter is not None:
            info["submitted"] = timestamp(change.submitted_at)
            info["submitter"] = self.account(change.submitter, detailed)
            info["submission_id"] = str(change.number)
        if change.is_open:
            info["submit_type"] = self._store.projects[change.project].submit_type.value
            if "SUBMITTABLE" in options:
                info["submittable"] = self._rules.is_submittable(change)
        if change.wip:
            info["work_in_progress"] = True
        return info | {
            "insertions": sum(f.insertions for f in files),
            "deletions": sum(f.deletions for f in files),
            "total_comment_count": 0,
            "unresolved_comment_count": 0,
            "has_review_started": True,
            "meta_rev_id": change.meta_revision,
            "_number": change.number,
            "_virtual_id_number": change.number,
            "owner": self.account(change.owner, detailed),
        }

    # -- labels --------------------------------------------------------------------------------

    def _labels(self, change: Change, caller: Account, detailed: bool, all_votes: bool) -> Info:
        labels = {}
        for label in self._store.labels.values():
            info = self._approver(change, label, detailed)
            if all_votes:
                votes = self._votes(change, label, detailed)
                if votes:
                    info["all"] = votes
                info["values"] = {_spelled(v): t for v, t in sorted(label.values.items())}
                info["description"] = ""
                info["default_value"] = 0
            if not label.legacy:
                info["optional"] = True
            labels[label.name] = info
        info = {"labels": labels}
        if all_votes:
            info["permitted_labels"] = {
                label.name: permitted
                for label in self._store.labels.values()
                if (permitted := self._permitted(change, label, caller))
            }
            info |= {"removable_labels": {}, "removable_reviewers": [], "pending_reviewers": {}}
            people = {"REVIEWER": change.reviewers, "CC": change.copied}
            info["reviewers"] = {
                role: [self.account(a, detailed) for a in accounts.values()]
                for role, accounts in people.items()
                if accounts
            }
        return info

    def _approver(self, change: Change, label: Label, detailed: bool) -> Info:
        """Who decided: `approved`, `rejected`, `recommended` or `disliked`; nothing when closed."""
        if not change.is_open:
            return {}
        votes = [a for a in change.current.approvals.values() if a.label == label.name]
        for value, key in ((label.lowest, "rejected"), (label.highest, "approved")):
            for vote in votes:
                if vote.value == value:
                    return {key: self.account(vote.by, detailed)}
        for vote in votes:
            key = "recommended" if vote.value > 0 else "disliked"
            return {key: self.account(vote.by, detailed), "value": vote.value}
        return {}

    def _votes(self, change: Change, label: Label, detailed: bool) -> list[Info]:
        votes = []
        for username, account in change.reviewers.items():
            held = change.current.approvals.get((username, label.name))
            low, high = label.range_of(account)
            info: Info = {}
            if held is not None or (low, high) != (0, 0) or not change.is_open:
                info["value"] = held.value if held else 0
            if held is not None:
                info["date"] = timestamp(held.granted_at)
                if held.tag is not None:
                    info["tag"] = held.tag
            if change.is_open and (low, high) != (0, 0):
                info["permitted_voting_range"] = {"min": low, "max": high}
            elif held is not None and not change.is_open:
                info["permitted_voting_range"] = {"min": held.value, "max": high}
            votes.append(info | self.account(account, detailed))
        return votes

    def _permitted(self, change: Change, label: Label, caller: Account) -> list[str]:
        low, high = label.range_of(caller)
        if change.status is Status.ABANDONED or (low, high) == (0, 0):
            return []
        return [_spelled(value) for value in sorted(label.values) if low <= value <= high]

    # -- revisions -----------------------------------------------------------------------------

    def _revision(self, change: Change, patch_set: PatchSet, options: Set[str]) -> Info:
        info: Info = {
            "kind": patch_set.kind.value,
            "_number": patch_set.number,
            "created": timestamp(patch_set.created_at),
            "uploader": self.account(patch_set.uploader, "DETAILED_ACCOUNTS" in options),
            "ref": patch_set.ref,
            "fetch": {},
        }
        if {"CURRENT_COMMIT", "ALL_COMMITS"} & options:
            info["commit"] = self.commit(change.project, patch_set.revision)
        info["branch"] = f"refs/heads/{change.branch}"
        if {"CURRENT_FILES", "ALL_FILES"} & options:
            info["files"] = {f.path: _file(f) for f in patch_set.files[1:]}
        return info

    def commit(self, project: str, revision: str) -> Info:
        repository = self._repository(project)
        facts = repository.facts(revision)
        return {
            "parents": [
                {"commit": parent, "subject": _subject(repository.facts(parent))}
                for parent in facts.parents
            ],
            "author": _person(facts.author.name, facts.author.email, facts.author.when),
            "committer": _person(facts.committer.name, facts.committer.email, facts.committer.when),
            "subject": _subject(facts),
            "message": facts.message,
        }

    def related(self, change: Change, patch_set: PatchSet) -> list[Info]:
        """The chain this patch set is in, newest first; empty when it stands alone."""
        chain: list[tuple[Change, PatchSet]] = [(change, patch_set)]
        if patch_set.picked:
            return []
        for pair in self._walk(change, self._store.needed_by):
            chain.insert(0, pair)
        chain += self._walk(change, self._store.depends_on)
        if len(chain) == 1:
            return []
        return [self._related(other, ps) for other, ps in chain]

    def _walk(self, change: Change, step: Callable[[Change], Any]) -> list[tuple[Change, PatchSet]]:
        found: list[tuple[Change, PatchSet]] = []
        seen = {change.number}
        waiting = [change]
        while waiting:
            for other, patch_set in step(waiting.pop()):
                if other.number not in seen and not patch_set.picked:
                    seen.add(other.number)
                    found.append((other, patch_set))
                    waiting.append(other)
        return found

    def _related(self, change: Change, patch_set: PatchSet) -> Info:
        facts = self._repository(change.project).facts(patch_set.revision)
        author = _person(facts.author.name, facts.author.email, facts.author.when)
        return {
            "project": change.project,
            "change_id": change.change_id,
            "commit": {
                "commit": patch_set.revision,
                "parents": [{"commit": parent} for parent in facts.parents],
                "author": author,
                "subject": _subject(facts),
            },
            "_change_number": change.number,
            "_revision_number": patch_set.number,
            "_current_revision_number": change.current.number,
            "status": change.status.value,
        }

    # -- the rest ------------------------------------------------------------------------------

    def _messages(self, change: Change, detailed: bool) -> list[Info]:
        infos = []
        for comment in change.comments:
            info: Info = {"id": comment.message_id}
            if comment.tag is not None:
                info["tag"] = comment.tag
            info |= {
                "author": self.account(comment.by, detailed),
                "date": timestamp(comment.at),
                "message": comment.message,
                "accounts_in_message": [],
                "_revision_number": comment.patch_set,
            }
            infos.append(info)
        return infos

    def _submit_record(self, change: Change, detailed: bool) -> Info:
        labels = []
        for record in self._rules.label_records(change):
            info: Info = {"label": record.label, "status": record.status}
            if record.by is not None:
                info["applied_by"] = self.account(record.by, detailed)
            labels.append(info)
        merged = change.status is Status.MERGED
        status = "CLOSED" if merged else self._rules.record_status(change)
        return {"rule_name": "gerrit~DefaultSubmitRule", "status": status, "labels": labels}


def _requirement(requirement: Requirement) -> Info:
    name = requirement.name
    minimum = f"-label:{name}=MIN" if requirement.is_legacy else f"label:{name}=MIN"
    has_minimum = not requirement.has_min if requirement.is_legacy else requirement.has_min
    atoms = {f"label:{name}=MAX": requirement.has_max, minimum: has_minimum}
    if requirement.is_legacy:
        atoms = dict.fromkeys(atoms, requirement.satisfied)
    return {
        "name": name,
        "status": "SATISFIED" if requirement.satisfied else "UNSATISFIED",
        "is_legacy": requirement.is_legacy,
        "submittability_expression_result": {
            "expression": requirement.expression,
            "fulfilled": requirement.satisfied,
            "status": "PASS" if requirement.satisfied else "FAIL",
            "passing_atoms": [atom for atom, holds in atoms.items() if holds],
            "failing_atoms": [atom for atom, holds in atoms.items() if not holds],
        },
    }


def _spelled(value: int) -> str:
    return f"{value:+d}" if value else " 0"


def _file(file: FileChange) -> Info:
    info: Info = {}
    if file.type in _STATUS_LETTERS:
        info["status"] = _STATUS_LETTERS[file.type]
    if file.old_path is not None:
        info["old_path"] = file.old_path
    if file.insertions:
        info["lines_inserted"] = file.insertions
    if file.deletions:
        info["lines_deleted"] = file.deletions
    return info | {
        name: value
        for name, value in (
            ("old_mode", file.old_mode),
            ("new_mode", file.new_mode),
            ("size_delta", file.size - file.old_size),
            ("size", file.size),
        )
        if value is not None
    }


def _person(name: str, email: str, when: int) -> Info:
    return {"name": name, "email": email, "date": timestamp(when), "tz": 0}


def _subject(facts: CommitFacts) -> str:
    return " ".join(facts.message.lstrip().split("\n\n", 1)[0].split())
