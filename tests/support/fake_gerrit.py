"""A Gerrit in memory: repositories, reviews, votes and their rules; no network, no threads.

Labels are those of the contract's catalogue (section 12): Code-Review and Verified -2..2, Approved
-1..1; a change may be submitted when each is at its maximum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.support.fake_git import Commit, make_commit, merge
from zuul.model.change import (
    Approval,
    Change,
    ChangeKey,
    SubmitLabel,
    SubmitRecord,
    normalize_label,
)

CONNECTION = "gerrit"
LABELS = {"Code-Review": 2, "Approved": 1, "Verified": 2}
MASTER = "master"


@dataclass(frozen=True, slots=True)
class Vote:
    """The latest value a user gave to a label of one patch set."""

    value: int
    granted_at: float
    email: str


@dataclass(slots=True)
class FakePatchSet:
    """One upload."""

    number: int
    commit: Commit
    #: paths as Gerrit lists them, the commit message among them
    files: tuple[str, ...]
    message: str
    #: Change-Ids of Depends-On footers, in order
    footers: tuple[str, ...]
    git_parent: tuple[FakeChange, int] | None = None
    #: (label, user) -> vote
    votes: dict[tuple[str, str], Vote] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comment:
    """What Zuul left on a change."""

    text: str
    pipeline: str
    votes: Mapping[str, int]


@dataclass(slots=True, eq=False)
class FakeChange:
    """One review."""

    number: int
    project: str
    branch: str
    subject: str
    change_id: str
    created_at: float
    status: str = "NEW"
    patchsets: list[FakePatchSet] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    #: Gerrit answers that it submits, and does not
    refuses_submit: bool = False
    #: (tree before, tree after) of the merge
    landed: tuple[str, str] | None = None

    @property
    def is_open(self) -> bool:
        return self.status == "NEW"

    @property
    def current(self) -> FakePatchSet:
        return self.patchsets[-1]

    @property
    def key(self) -> ChangeKey:
        """Of the current patch set."""
        return self.key_of(self.current.number)

    def key_of(self, patchset: int) -> ChangeKey:
        return ChangeKey(CONNECTION, str(self.number), str(patchset))

    def __repr__(self) -> str:
        return f"<{self.subject} {self.key} {self.project} {self.status}>"


def make_change_id(seed: str) -> str:
    return "I" + hashlib.sha1(seed.encode()).hexdigest()


class FakeGerrit:
    """All reviews and repositories of one server."""

    def __init__(self, cherry_picked: Iterable[str] = ()) -> None:
        self.changes: dict[int, FakeChange] = {}
        self.heads: dict[tuple[str, str], Commit] = {}
        #: every tree that a branch has had, oldest first
        self.trees: dict[tuple[str, str], list[str]] = {}
        #: projects whose merge mode is cherry-pick
        self.cherry_picked = set(cherry_picked)
        #: edits that slip into the next merges, as if somebody pushed between check and submit
        self.twin: dict[str, str | None] = {}

    # Repositories

    def head(self, project: str, branch: str = MASTER) -> Commit:
        """The branch as it is; made on demand, another branch grows from the initial commit."""
        key = (project, branch)
        if key not in self.heads:
            initial = make_commit("initial", None, {"README": "initial"}, salt=project)
            own = {f"{branch}.txt": branch}
            self._move(
                key, initial if branch == MASTER else make_commit(f"{branch} commit", initial, own)
            )
        return self.heads[key]

    def _move(self, where: tuple[str, str], commit: Commit) -> None:
        self.heads[where] = commit
        self.trees.setdefault(where, []).append(commit.tree)

    def push(self, project: str, edits: Mapping[str, str | None], branch: str = MASTER) -> Commit:
        """Somebody pushes past review; returns the new head."""
        head = self.head(project, branch)
        commit = make_commit(f"pushed {len(head.contains)}", head, edits)
        self._move((project, branch), commit)
        return commit

    def merge(self, project: str, onto: Commit, patch: Commit) -> Commit | None:
        """As mergers and Gerrit alike do it for this project; None: it conflicts."""
        return merge(onto, patch, cherry_pick=project in self.cherry_picked)

    # Reviews

    def create(
        self,
        project: str,
        branch: str,
        subject: str,
        files: Mapping[str, str] | None,
        git_parent: FakeChange | None,
        footers: tuple[str, ...],
        now: float,
        change_id: str | None = None,
    ) -> FakeChange:
        number = len(self.changes) + 1
        change = FakeChange(
            number, project, branch, subject, change_id or make_change_id(f"change {number}"), now
        )
        self.changes[number] = change
        parent = (git_parent, git_parent.current.number) if git_parent else None
        self.add_patchset(change, files, parent, footers)
        return change

    def add_patchset(
        self,
        change: FakeChange,
        files: Mapping[str, str] | None,
        git_parent: tuple[FakeChange, int] | None,
        footers: tuple[str, ...],
    ) -> FakePatchSet:
        """Upload; without `files` it edits README and a file of its own."""
        number = len(change.patchsets) + 1
        if files is None:
            own = f"{change.branch}-{change.number}"
            files = {own: f"{change.branch} {change.number} {number}", "README": "test"}
        if git_parent:
            parent = git_parent[0].patchsets[git_parent[1] - 1].commit
        else:
            parent = self.head(change.project, change.branch)
        commit = make_commit(change.subject, parent, files, salt=f"{change.number},{number}")
        lines = [change.subject, "", f"Change-Id: {change.change_id}"]
        message = "\n".join(lines + [f"Depends-On: {footer}" for footer in footers])
        patchset = FakePatchSet(
            number, commit, ("/COMMIT_MSG", *files), message, footers, git_parent
        )
        change.patchsets.append(patchset)
        return patchset

    def set_vote(
        self, change: FakeChange, label: str, value: int, user: str, email: str, at: float
    ) -> None:
        """Zero takes a vote back."""
        votes = change.current.votes
        if value:
            votes[label, user] = Vote(value, at, email)
        else:
            votes.pop((label, user), None)

    def can_submit(self, change: FakeChange, extra: Mapping[str, int] | None = None) -> bool:
        """Whether a submit would be taken, `extra` being votes that come along with it."""
        if not change.is_open or change.refuses_submit:
            return False
        parent = change.current.git_parent
        if parent and parent[0].status != "MERGED":
            return False
        return all(self._label_status(change, label, extra or {}) == "OK" for label in LABELS)

    def submit(self, change: FakeChange) -> bool:
        """Merge the current patch set into its branch; False: it conflicts."""
        head = self.head(change.project, change.branch)
        merged = self.merge(change.project, head, change.current.commit)
        if merged is None:
            return False
        if self.twin:
            merged = make_commit("twin", merged, self.twin)
        self._move((change.project, change.branch), merged)
        change.status = "MERGED"
        change.landed = (head.tree, merged.tree)
        return True

    def _label_status(self, change: FakeChange, label: str, extra: Mapping[str, int]) -> str:
        values = [v.value for (name, _), v in change.current.votes.items() if name == label]
        values += [v for name, v in extra.items() if normalize_label(name) == label.lower()]
        maximum = LABELS[label]
        if -maximum in values and label not in extra:
            return "REJECT"
        return "OK" if maximum in values else "NEED"

    # What queries tell

    def lookup(self, change: FakeChange, patchset: int | None = None) -> Change:
        """One patch set as a query tells it now."""
        number = patchset or change.current.number
        shown = change.patchsets[number - 1]
        return Change(
            key=change.key_of(number),
            project=change.project,
            branch=change.branch,
            refspec=f"refs/changes/{change.number % 100:02}/{change.number}/{number}",
            change_id=change.change_id,
            revision=shown.commit.sha,
            url=f"https://review.example.com/{change.number}",
            status=change.status,
            is_open=change.is_open,
            is_current_patchset=number == change.current.number,
            owner={"name": "User", "username": "user", "email": "user@example.com"},
            commit_message=shown.message,
            files=shown.files,
            needs=tuple(self._needs(shown)) if change.status != "MERGED" else (),
            needed_by=tuple(self._needed_by(change, number)),
            approvals=tuple(
                Approval(normalize_label(label), vote.value, user, vote.email, vote.granted_at)
                for (label, user), vote in change.current.votes.items()
            ),
            submit_records=(self._submit_record(change),),
        )

    def closure(self, change: FakeChange, patchset: int | None = None) -> tuple[Change, ...]:
        """The change and all its relatives, as the source hands them to the core."""
        start = change.key_of(patchset or change.current.number)
        found: dict[ChangeKey, Change] = {}
        waiting = [start]
        while waiting:
            key = waiting.pop()
            if key in found:
                continue
            record = self.lookup(self.changes[int(key.number)], int(key.patchset))
            found[key] = record
            if not record.is_merged:
                waiting += [*record.needs, *record.needed_by]
        return tuple(found.values())

    def _needs(self, shown: FakePatchSet) -> Iterable[ChangeKey]:
        keys: dict[ChangeKey, None] = {}
        if shown.git_parent and shown.git_parent[0].status != "MERGED":
            keys[shown.git_parent[0].key_of(shown.git_parent[1])] = None
        for footer in shown.footers:
            for other in self.changes.values():
                if other.change_id == footer and other.is_open:
                    keys[other.key] = None
        return keys

    def _needed_by(self, change: FakeChange, patchset: int) -> Iterable[ChangeKey]:
        for other in self.changes.values():
            if not other.is_open or other is change:
                continue
            parent = other.current.git_parent
            is_child = parent is not None and parent == (change, patchset)
            follows = change.is_open and change.change_id in other.current.footers
            if is_child or follows:
                yield other.key

    def _submit_record(self, change: FakeChange) -> SubmitRecord:
        if not change.is_open:
            return SubmitRecord("CLOSED")
        labels = tuple(SubmitLabel(n, self._label_status(change, n, {})) for n in LABELS)
        ready = all(label.status == "OK" for label in labels)
        return SubmitRecord("OK" if ready else "NOT_READY", labels)
