"""The merger: a series of changes in, the commit that holds them all out.

The result of every item is published as refs/zuul/<branch>/<Z> in each repository that has a
change at or ahead of it. An item whose parent's result is known here costs one merge and at most
one fetch, however long the series behind it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pygit2

from zuul.errors import MergerError
from zuul.lib.git import Git, GitProcesses, Limits
from zuul.lib.git_names import PROTOCOLS
from zuul.lib.logs import fields
from zuul.merger.changes import Changes
from zuul.merger.combine import Conflict
from zuul.merger.commits import Identity
from zuul.merger.failures import CloneBroken, ResultsLost
from zuul.merger.lru import Recently
from zuul.merger.repo import Repo
from zuul.merger.requests import (
    ConflictingItem,
    HeadRequest,
    MergeAnswer,
    MergeItem,
    MergeRequest,
    Origin,
    UpdateRequest,
)
from zuul.merger.ssh import SshLogin, git_environment, host_key_advice, write_wrappers
from zuul.merger.upkeep import UpkeepPolicy

log = logging.getLogger("zuul.Merger")

T = TypeVar("T")

#: (project, branch) -> its newest commit in a series
Recent = Mapping[tuple[str, str], pygit2.Oid]

MAX_RESULTS = 20_000
MAX_OPEN_REPOS = 200
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class MergerSettings:
    """Where a merger keeps its clones, how it signs and how it logs in."""

    git_dir: Path
    user_name: str | None = None
    user_email: str | None = None
    logins: tuple[SshLogin, ...] = ()
    limits: Limits = field(default_factory=Limits)
    protocols: Collection[str] = PROTOCOLS
    upkeep: UpkeepPolicy = field(default_factory=UpkeepPolicy)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a branch is at the origin."""

    commit: str
    tree: str


@dataclass(frozen=True, slots=True)
class _Result:
    """What an item came to: the series up to it, and the tree it was merged onto."""

    recent: Recent
    base_tree: pygit2.Oid | None


class Merger:
    """Owns the clones below git_dir. Not for use by two threads at once."""

    def __init__(self, settings: MergerSettings) -> None:
        self._settings = settings
        settings.git_dir.mkdir(parents=True, exist_ok=True)
        self.processes = GitProcesses()
        self._wrappers = write_wrappers(settings.git_dir, settings.logins)
        self._known_hosts = {login.connection: login.known_hosts for login in settings.logins}
        self._repos: dict[str, Repo] = {}
        self._open_repos: Recently[str, Repo] = Recently(MAX_OPEN_REPOS, dropped=Repo.close)
        self._results: Recently[str, _Result] = Recently(MAX_RESULTS)
        self._changes = Changes(self._repo)

    def close(self) -> None:
        self._open_repos.clear()
        self._repos.clear()

    # -- the three things a merger does

    def merge(self, request: MergeRequest) -> MergeAnswer:
        """Merge a series; every expected failure is an answer."""
        try:
            return self._with_repair(lambda: self._merge(request))
        except MergerError as error:
            log.warning("Merge failed %s", fields(ref=request.items[-1].zuul_ref, reason=error))
            return MergeAnswer(error=str(error))

    def update(self, request: UpdateRequest) -> None:
        """Bring all branches and tags of a clone up to date. Raises MergerError."""

        def work() -> None:
            repo = self._repo(request.origin)
            with repo.opened():
                repo.update()

        self._with_repair(work)

    def head(self, request: HeadRequest) -> Head:
        """Ask the origin where a branch is. Raises MergerError."""

        def work() -> Head:
            repo = self._repo(request.origin)
            with repo.opened():
                repo.fetch([request.branch], [])
                commit = repo.head_of(request.branch)
                return Head(str(commit), str(repo.tree_of(commit)))

        return self._with_repair(work)

    # -- between jobs

    def tidy(self) -> bool:
        """Pack one clone that needs it; False if none does. Raises MergerError."""
        for repo in self._repos.values():
            if repo.needs_packing(self._settings.upkeep):
                log.info("Packing %s", fields(project=repo.origin.project))
                repo.pack()
                return True
        return False

    def expire_refs(self, max_age_days: int, now: float) -> None:
        """Remove published refs with commits older than that, but the results of late."""
        keep = {zuul_ref for zuul_ref, _ in self._results.items()}
        for repo in self._repos.values():
            repo.expire_refs(max_age_days, now, keep)
        self._changes.forget()

    # -- a series

    def _merge(self, request: MergeRequest) -> MergeAnswer:
        recent: Recent = {}
        if request.parent is not None:
            parent = self._results.get(request.parent)
            if parent is None:
                return MergeAnswer(
                    unknown_parent=True, error=f"no result of {request.parent} is known here"
                )
            recent = parent.recent
        published = self._find_published(request.items)
        try:
            fetched = self._changes.fetch(request, set(recent), published)
            return self._merge_items(request.items, recent, published, fetched)
        except ResultsLost as lost:
            self._forget(lost.project)
            return MergeAnswer(unknown_parent=True, error=str(lost))

    def _find_published(self, items: Sequence[MergeItem]) -> dict[str, pygit2.Oid]:
        """zuul_ref -> commit of those items whose result is here already."""
        published = {}
        for item in items:
            repo = self._repo(item.origin)
            with repo.opened():
                commit = repo.find_published(item.branch, item.zuul_ref)
            if commit is not None:
                published[item.zuul_ref] = commit
        return published

    def _merge_items(
        self,
        items: Sequence[MergeItem],
        recent: Recent,
        published: Mapping[str, pygit2.Oid],
        changes: Mapping[tuple[str, str], pygit2.Oid],
    ) -> MergeAnswer:
        answer = MergeAnswer()
        for item in items:
            repo = self._repo(item.origin)
            base = recent.get(item.line)
            commit = published.get(item.zuul_ref)
            with repo.opened():
                if commit is not None:
                    base_tree = self._base_of_published(item, repo, base)
                else:
                    base = repo.head_of(item.branch) if base is None else base
                    if not repo.holds(base):
                        raise ResultsLost(item.origin.project)
                    base_tree = repo.tree_of(base)
                    change = changes[(item.origin.project, item.refspec)]
                    combined = repo.combine(item, base, change)
                    if isinstance(combined, Conflict):
                        return _conflict(item, combined)
                    commit = combined.commit
                answer = MergeAnswer(
                    commit=str(commit),
                    tree=str(repo.tree_of(commit)),
                    base_tree=None if base_tree is None else str(base_tree),
                )
            recent = {**recent, item.line: commit}
            if item.zuul_ref not in published:
                self._publish(item, recent)
            self._results.put(item.zuul_ref, _Result(recent, base_tree))
        return answer

    def _base_of_published(
        self, item: MergeItem, repo: Repo, base: pygit2.Oid | None
    ) -> pygit2.Oid | None:
        known = self._results.get(item.zuul_ref)
        if known is not None:
            return known.base_tree
        return None if base is None else repo.tree_of(base)

    def _publish(self, item: MergeItem, recent: Recent) -> None:
        """Publish in every repository of the series, the item's own last: where its ref is, all
        are."""
        for line, commit in recent.items():
            if line != item.line:
                self._publish_one(line, item.zuul_ref, commit)
        self._publish_one(item.line, item.zuul_ref, recent[item.line])

    def _publish_one(self, line: tuple[str, str], zuul_ref: str, commit: pygit2.Oid) -> None:
        project, branch = line
        repo = self._repos.get(project)
        if repo is None:
            raise ResultsLost(project)
        with repo.opened():
            repo.publish(branch, zuul_ref, commit)

    # -- clones

    def _repo(self, origin: Origin) -> Repo:
        repo = self._repos.get(origin.project)
        if repo is None or repo.origin != origin:
            if repo is not None:
                repo.close()
            repo = self._make_repo(origin)
            self._repos[origin.project] = repo
        self._open_repos.put(origin.project, repo)
        return repo

    def _make_repo(self, origin: Origin) -> Repo:
        settings = self._settings
        environment = git_environment(self._wrappers, origin.connection)
        return Repo(
            settings.git_dir,
            origin,
            make_git=lambda folder: Git(folder, environment, settings.protocols, self.processes),
            identity=self._identity,
            limits=settings.limits,
            advice=host_key_advice(origin.url, self._known_hosts.get(origin.connection)),
        )

    def _identity(self, repository: pygit2.Repository) -> Identity:
        """As configured, else as the user's git says, else one that at least is valid."""
        config = repository.config
        name, email = self._settings.user_name, self._settings.user_email
        return Identity(
            name or _config_value(config, "user.name") or "Zuul Merger",
            email or _config_value(config, "user.email") or "zuul-merger@localhost",
        )

    def _with_repair(self, work: Callable[[], T]) -> T:
        """Do the work; a clone that fails is opened afresh, then made anew, then given up."""
        for attempt in range(_ATTEMPTS):
            try:
                return work()
            except CloneBroken as broken:
                repo = self._repos.get(broken.project)
                if repo is None or attempt == _ATTEMPTS - 1:
                    raise
                repo.close()
                repo.doubt()
                if attempt > 0:
                    repo.replace(broken)
                    self._forget(broken.project)
        raise AssertionError("the last attempt returns or raises")

    def _forget(self, project: str) -> None:
        """Drop every result that has a part in this project's clone."""
        lost = [
            zuul_ref
            for zuul_ref, result in self._results.items()
            if any(line[0] == project for line in result.recent)
        ]
        for zuul_ref in lost:
            self._results.pop(zuul_ref)


def _conflict(item: MergeItem, conflict: Conflict) -> MergeAnswer:
    log.info(
        "Change does not merge %s",
        fields(
            change=f"{item.number},{item.patchset}",
            project=item.origin.project,
            branch=item.branch,
            reason=conflict.reason,
        ),
    )
    return MergeAnswer(
        conflict=ConflictingItem(item.origin.project, item.number, item.patchset),
        error=f"{item.origin.project} {item.number},{item.patchset}: {conflict.reason}",
    )


def _config_value(config: pygit2.Config, key: str) -> str | None:
    try:
        return config[key] or None
    except KeyError:
        return None
