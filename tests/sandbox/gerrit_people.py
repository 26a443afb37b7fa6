"""What people do on a sandbox Gerrit, as methods to call from a test or the demo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import asyncssh

from tests.sandbox.developer import make_change_id
from tests.sandbox.gerrit_events import Events, EventStream
from tests.sandbox.gerrit_git import ZERO, Repository, Signature
from tests.sandbox.gerrit_model import Account, Change, PatchSet, Project, Store, SubmitType
from tests.sandbox.gerrit_reviews import Reviews
from tests.sandbox.gerrit_rows import Row
from tests.sandbox.gerrit_submit import Submitter
from tests.sandbox.gerrit_uploads import PushOptions, Uploads

T = TypeVar("T")


class People(ABC):
    """The verbs; each runs on the server's loop and returns when it is done."""

    folder: Path
    store: Store
    stream: EventStream
    events: Events
    reviews: Reviews
    submitter: Submitter
    uploads: Uploads
    _repositories: dict[str, Repository]
    _keys: dict[str, list[asyncssh.SSHKey]]

    @abstractmethod
    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the server's loop and wait for what it returns."""

    @abstractmethod
    def now(self) -> int:
        """Epoch seconds."""

    def repository(self, project: str) -> Repository:
        return self._repositories[project]

    @property
    def _admin(self) -> Account:
        return next(iter(self.store.accounts.values()))

    def create_project(
        self,
        name: str,
        submit_type: SubmitType | str = SubmitType.MERGE_IF_NECESSARY,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """A repository whose master has one empty commit, and one with `files` if given."""

        def create() -> None:
            admin = self._admin
            author = Signature(admin.full_name, admin.email, self.now())
            path = self.folder / "git" / f"{name}.git"
            repository = Repository.create(path, author)
            if files:
                _add_files(repository, files, author)
            self._repositories[name] = repository
            self.store.projects[name] = Project(name, SubmitType(submit_type))
            head = self._repositories[name].ref("refs/heads/master") or ZERO
            self.events.ref_updated(name, "refs/heads/master", ZERO, head, admin)
            self.events.project_created(name)

        self.call(create)

    def create_branch(self, project: str, branch: str, revision: str = "master") -> None:
        """A branch at another branch's head or at a revision."""

        def create() -> None:
            repository = self.repository(project)
            start = repository.ref(f"refs/heads/{revision}") or revision
            repository.set_ref(f"refs/heads/{branch}", start)
            ref = f"refs/heads/{branch}"
            self.events.ref_updated(project, ref, ZERO, start, self._admin)

        self.call(create)

    def delete_branch(self, project: str, branch: str) -> None:
        def delete() -> None:
            ref = f"refs/heads/{branch}"
            old = self.repository(project).ref(ref) or ZERO
            self.repository(project).set_ref(ref, ZERO)
            self.events.ref_updated(project, ref, old, ZERO, self._admin)

        self.call(delete)

    def upload(
        self,
        project: str,
        subject: str,
        files: Mapping[str, str | None] | None = None,
        *,
        branch: str = "master",
        onto: str | None = None,
        change_id: str | None = None,
        footers: Iterable[str] = (),
        topic: str | None = None,
        as_user: str = "dev",
    ) -> Change:
        """Make a change (or, given its Change-Id, a patch set) without a work tree or a push.

        `onto` is the revision to build on, the branch's head by default.
        """

        def make() -> Change:
            repository = self.repository(project)
            base = onto or repository.ref(f"refs/heads/{branch}")
            if base is None:
                raise KeyError(f"no branch {branch} in {project}")
            account = self.store.accounts[as_user]
            who = Signature(account.full_name, account.email, self.now())
            name = f"{subject.replace(' ', '-')}.txt"
            tree = repository.tree_with(base, files if files is not None else {name: subject})
            trailer = "\n".join([*footers, f"Change-Id: {change_id or make_change_id()}"])
            message = f"{subject}\n\n{trailer}\n"
            revision = repository.commit(tree, (base,), message, who, who)
            options = PushOptions(topic=topic)
            made = self.uploads.upload(project, branch, revision, account, options)
            return made[-1].change

        return self.call(make)

    def vote(
        self,
        number: int,
        label: str,
        value: int,
        as_user: str = "core",
        message: str = "",
        patch_set: int | None = None,
    ) -> None:
        """Vote on the current patch set, or a given one. Raises Refused."""

        def do() -> None:
            change, chosen = self._chosen(number, patch_set)
            account = self.store.accounts[as_user]
            self.reviews.review(change, chosen, account, message, {label: value})

        self.call(do)

    def comment(self, number: int, message: str, as_user: str = "dev") -> None:
        def do() -> None:
            change, chosen = self._chosen(number, None)
            self.reviews.review(change, chosen, self.store.accounts[as_user], message, {})

        self.call(do)

    def approve(self, number: int, as_user: str = "core") -> None:
        """Code-Review at its highest and the approval column at 1, in one comment."""
        last = "Workflow" if "Workflow" in self.store.labels else "Approved"

        def do() -> None:
            change, chosen = self._chosen(number, None)
            votes = {"Code-Review": 2, last: 1}
            self.reviews.review(change, chosen, self.store.accounts[as_user], "", votes)

        self.call(do)

    def abandon(self, number: int, as_user: str = "dev", message: str = "") -> None:
        who = self.store.accounts[as_user]
        self.call(lambda: self.reviews.abandon(self.store.changes[number], who, message))

    def restore(self, number: int, as_user: str = "dev", message: str = "") -> None:
        who = self.store.accounts[as_user]
        self.call(lambda: self.reviews.restore(self.store.changes[number], who, message))

    def set_topic(self, number: int, topic: str, as_user: str = "dev") -> None:
        who = self.store.accounts[as_user]
        self.call(lambda: self.reviews.set_topic(self.store.changes[number], who, topic))

    def submit(self, number: int, as_user: str = "core") -> None:
        """Merge the current patch set. Raises Refused with Gerrit's reason."""

        def do() -> None:
            change, chosen = self._chosen(number, None)
            self.submitter.submit(change, chosen, self.store.accounts[as_user])

        self.call(do)

    def votes(self, number: int) -> dict[str, dict[str, int]]:
        """{label: {username: value}} on the current patch set, zeros left out."""

        def read() -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {}
            for vote in self.store.changes[number].current.approvals.values():
                found.setdefault(vote.label, {})[vote.by.username] = vote.value
            return found

        return self.call(read)

    def messages(self, number: int) -> list[tuple[str, str]]:
        """(username, text) of every comment on a change."""
        return self.call(
            lambda: [(c.by.username, c.message) for c in self.store.changes[number].comments]
        )

    def status(self, number: int) -> str:
        return self.call(lambda: self.store.changes[number].status.value)

    def branch_head(self, project: str, branch: str = "master") -> str | None:
        return self.call(lambda: self.repository(project).ref(f"refs/heads/{branch}"))

    def read_file(self, project: str, path: str, branch: str = "master") -> str:
        """A file as the branch has it now; raises KeyError."""

        def read() -> str:
            head = self.repository(project).ref(f"refs/heads/{branch}")
            if head is None:
                raise KeyError(f"no branch {branch} in {project}")
            return self.repository(project).read(head, path)

        return self.call(read)

    def events_seen(self, *types: str) -> list[Row]:
        """Every event there ever was, of these types only if any are given."""
        return self.call(
            lambda: [e for e in self.stream.history if not types or e["type"] in types]
        )

    def add_account(self, account: Account, key_line: str | None = None) -> None:
        """One more person; `key_line` is an OpenSSH public key."""

        def add() -> None:
            self.store.add_account(account)
            if key_line is not None:
                key = asyncssh.import_public_key(key_line)
                self._keys.setdefault(account.username, []).append(key)

        self.call(add)

    def _chosen(self, number: int, patch_set: int | None) -> tuple[Change, PatchSet]:
        change = self.store.changes[number]
        if patch_set is None:
            return change, change.current
        found = change.patch_set(patch_set)
        if found is None:
            raise KeyError(f"change {number} has no patch set {patch_set}")
        return change, found


def _add_files(repository: Repository, files: Mapping[str, str], author: Signature) -> None:
    first = repository.ref("refs/heads/master") or ZERO
    tree = repository.tree_with(first, files)
    revision = repository.commit(tree, (first,), "Add the first files\n", author, author)
    repository.set_ref("refs/heads/master", revision)
