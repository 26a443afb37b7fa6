"""What a Gerrit knows: accounts, labels, projects, changes, patch sets, votes; pure values.

No I/O and no clock here; times are epoch seconds handed in. Revisions are 40 hex digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """A change's state, spelled as on the wire."""

    NEW = "NEW"
    MERGED = "MERGED"
    ABANDONED = "ABANDONED"


class Kind(StrEnum):
    """What a patch set did to the one before it."""

    REWORK = "REWORK"
    TRIVIAL_REBASE = "TRIVIAL_REBASE"
    NO_CODE_CHANGE = "NO_CODE_CHANGE"
    NO_CHANGE = "NO_CHANGE"


class SubmitType(StrEnum):
    """How a project's changes reach their branch."""

    MERGE_IF_NECESSARY = "MERGE_IF_NECESSARY"
    FAST_FORWARD_ONLY = "FAST_FORWARD_ONLY"
    CHERRY_PICK = "CHERRY_PICK"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in; groups decide what they may do."""

    account_id: int
    username: str
    full_name: str
    email: str
    groups: frozenset[str] = frozenset()

    @property
    def is_service_user(self) -> bool:
        return SERVICE_USERS in self.groups


ADMINISTRATORS = "Administrators"
SERVICE_USERS = "Service Users"
REGISTERED_USERS = "Registered Users"


@dataclass(frozen=True, slots=True)
class Label:
    """A column of votes.

    A *legacy* label blocks through its function and shows as NEED in submit records; any other
    blocks through a submit requirement, which only REST tells, and shows as MAY.
    """

    name: str
    values: dict[int, str]
    #: group -> (lowest, highest) vote its members may give
    ranges: dict[str, tuple[int, int]]
    legacy: bool = False
    #: what approvals of servers before 2.6 called it
    old_type: str = ""
    #: kinds of patch set that keep earlier votes
    copied_on: frozenset[Kind] = frozenset()
    copy_lowest: bool = False

    @property
    def lowest(self) -> int:
        return min(self.values)

    @property
    def highest(self) -> int:
        return max(self.values)

    @property
    def option(self) -> str:
        """Name of `gerrit review`'s own option for this label."""
        return self.name.lower()

    def range_of(self, account: Account) -> tuple[int, int]:
        """(lowest, highest) this account may vote; (0, 0) means not at all."""
        found = [r for g, r in self.ranges.items() if g in account.groups]
        if REGISTERED_USERS in self.ranges:
            found.append(self.ranges[REGISTERED_USERS])
        return min((r[0] for r in found), default=0), max((r[1] for r in found), default=0)


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer in a commit; `account` when the address belongs to one."""

    name: str
    email: str
    account: Account | None
    when: int
    tz_minutes: int = 0


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path a patch set touches against its first parent; counts are lines."""

    path: str
    type: str
    insertions: int
    deletions: int
    old_path: str | None = None
    #: file modes, None where the file is not there
    old_mode: int | None = None
    new_mode: int | None = None
    #: bytes before and after
    old_size: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Approval:
    """One account's vote on one label of one patch set."""

    label: str
    value: int
    by: Account
    granted_at: int
    tag: str | None = None


@dataclass(slots=True)
class PatchSet:
    """One uploaded commit of a change, with its votes by (username, label)."""

    number: int
    revision: str
    parents: tuple[str, ...]
    ref: str
    uploader: Account
    author: Person
    committer: Person
    created_at: int
    kind: Kind
    message: str
    files: tuple[FileChange, ...]
    approvals: dict[tuple[str, str], Approval] = field(default_factory=dict)
    #: made by the server when it cherry-picked the change: it belongs to no chain of changes
    picked: bool = False

    @property
    def insertions(self) -> int:
        return sum(f.insertions for f in self.files)

    @property
    def deletions(self) -> int:
        return sum(f.deletions for f in self.files)

    @property
    def subject(self) -> str:
        """The first paragraph of the commit message on one line."""
        return " ".join(self.message.lstrip().split("\n\n", 1)[0].split())


@dataclass(frozen=True, slots=True)
class Comment:
    """One message on a change's page."""

    message_id: str
    by: Account
    at: int
    message: str
    patch_set: int
    tag: str | None = None


@dataclass(slots=True)
class Change:
    """One review; the last patch set is the current one."""

    number: int
    project: str
    branch: str
    change_id: str
    owner: Account
    created_at: int
    updated_at: int
    #: order of the last update among all of the server, finer than a second
    sequence: int
    status: Status = Status.NEW
    topic: str | None = None
    wip: bool = False
    patch_sets: list[PatchSet] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    #: by username: those who voted or were asked to, and those who only commented
    reviewers: dict[str, Account] = field(default_factory=dict)
    copied: dict[str, Account] = field(default_factory=dict)
    submitted_at: int | None = None
    submitter: Account | None = None
    #: same for all changes of one submit
    submission: int | None = None
    meta_revision: str = "0" * 40

    @property
    def current(self) -> PatchSet:
        return self.patch_sets[-1]

    @property
    def is_open(self) -> bool:
        return self.status is Status.NEW

    @property
    def subject(self) -> str:
        return self.current.subject

    @property
    def ref_prefix(self) -> str:
        """`refs/changes/NN/N`."""
        return f"refs/changes/{self.number % 100:02d}/{self.number}"

    def patch_set(self, number: int) -> PatchSet | None:
        if 1 <= number <= len(self.patch_sets):
            return self.patch_sets[number - 1]
        return None


@dataclass(slots=True)
class Project:
    """A repository and how its changes are submitted."""

    name: str
    submit_type: SubmitType = SubmitType.MERGE_IF_NECESSARY


class Store:
    """All of a server's changes, found by number, Change-Id and revision."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self.labels = {label.name: label for label in labels}
        self.accounts: dict[str, Account] = {}
        self.projects: dict[str, Project] = {}
        self.changes: dict[int, Change] = {}
        self._by_change_id: dict[str, list[Change]] = {}
        self._by_revision: dict[str, list[tuple[Change, PatchSet]]] = {}
        #: revision -> patch sets built directly on it
        self._children: dict[str, list[tuple[Change, PatchSet]]] = {}
        self._sequence = 0

    def add_account(self, account: Account) -> None:
        self.accounts[account.username] = account

    def account_by_email(self, email: str) -> Account | None:
        return next((a for a in self.accounts.values() if a.email == email), None)

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def new_change(
        self, project: str, branch: str, change_id: str, owner: Account, now: int
    ) -> Change:
        number = len(self.changes) + 1
        change = Change(number, project, branch, change_id, owner, now, now, self.next_sequence())
        self.changes[number] = change
        self._by_change_id.setdefault(change_id, []).append(change)
        return change

    def add_patch_set(self, change: Change, patch_set: PatchSet) -> None:
        change.patch_sets.append(patch_set)
        self._by_revision.setdefault(patch_set.revision, []).append((change, patch_set))
        for parent in patch_set.parents:
            self._children.setdefault(parent, []).append((change, patch_set))

    def touch(self, change: Change, now: int) -> None:
        """Note that something about this change was altered."""
        change.updated_at = now
        change.sequence = self.next_sequence()

    def with_change_id(self, change_id: str) -> list[Change]:
        return list(self._by_change_id.get(change_id, ()))

    def find(self, project: str, branch: str, change_id: str) -> Change | None:
        for change in self._by_change_id.get(change_id, ()):
            if (change.project, change.branch) == (project, branch):
                return change
        return None

    def with_revision(
        self, revision: str, project: str | None = None
    ) -> list[tuple[Change, PatchSet]]:
        """Patch sets with exactly this revision, in one project or any."""
        found = self._by_revision.get(revision, ())
        return [(c, p) for c, p in found if project is None or c.project == project]

    def with_revision_prefix(self, prefix: str) -> list[tuple[Change, PatchSet]]:
        if len(prefix) == 40:
            return self.with_revision(prefix)
        return [
            pair
            for rev, pairs in self._by_revision.items()
            if rev.startswith(prefix)
            for pair in pairs
        ]

    def depends_on(self, change: Change) -> Iterator[tuple[Change, PatchSet]]:
        """Patch sets of other changes that are parents of the current one."""
        for parent in change.current.parents:
            for other, patch_set in self.with_revision(parent, change.project):
                if other is not change and other.branch == change.branch:
                    yield other, patch_set

    def needed_by(self, change: Change) -> Iterator[tuple[Change, PatchSet]]:
        """Patch sets of other changes, outdated ones too, built on this one's current patch set."""
        if change.current.picked:
            return
        for other, patch_set in self._children.get(change.current.revision, ()):
            same = (other.project, other.branch) == (change.project, change.branch)
            if same and other is not change and not patch_set.picked:
                yield other, patch_set
