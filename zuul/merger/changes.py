"""The commits that a series needs from its origins: one fetch a project, none for what is known.

A patch set's ref never moves, so a change fetched once is not fetched again; and a request may name
changes that later ones will bring, which then come along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pygit2

from zuul.lib.git_names import names_fixed_commit
from zuul.merger.failures import RefNotFound
from zuul.merger.lru import Recently
from zuul.merger.repo import Repo
from zuul.merger.requests import MergeRequest, Origin

MAX_KNOWN = 100_000


@dataclass(slots=True)
class _Wanted:
    """What has to come from one project's origin."""

    repo: Repo
    branches: list[str] = field(default_factory=list)
    refspecs: list[str] = field(default_factory=list)


class Changes:
    """Fetches changes, and remembers which are here."""

    def __init__(self, repo_of: Callable[[Origin], Repo]) -> None:
        self._repo_of = repo_of
        #: (project, url, refspec) -> commit
        self._known: Recently[tuple[str, str, str], pygit2.Oid] = Recently(MAX_KNOWN)

    def forget(self) -> None:
        self._known.clear()

    def fetch(
        self,
        request: MergeRequest,
        begun_lines: set[tuple[str, str]],
        published: Mapping[str, pygit2.Oid],
    ) -> dict[tuple[str, str], pygit2.Oid]:
        """{(project, refspec): commit} of the items that are not `published`.

        The head of a branch comes along where a line begins. Raises MergerError.
        """
        changes: dict[tuple[str, str], pygit2.Oid] = {}
        wanted: dict[str, _Wanted] = {}
        lines = set(begun_lines)
        for item in request.items:
            project = item.origin.project
            if item.zuul_ref not in published:
                needed = wanted.setdefault(project, _Wanted(self._repo_of(item.origin)))
                if item.line not in lines:
                    needed.branches.append(item.branch)
                known = self._find(needed.repo, item.refspec)
                if known is None:
                    needed.refspecs.append(item.refspec)
                else:
                    changes[(project, item.refspec)] = known
            lines.add(item.line)
        for project, needed in wanted.items():
            if needed.branches or needed.refspecs:
                hints = self._hints(request, project, needed)
                for refspec, commit in self._fetch_from(needed, hints).items():
                    changes[(project, refspec)] = commit
        return changes

    def _hints(self, request: MergeRequest, project: str, needed: _Wanted) -> list[str]:
        return [
            hint.refspec
            for hint in request.prefetch
            if hint.project == project
            and names_fixed_commit(hint.refspec)
            and self._find(needed.repo, hint.refspec) is None
        ]

    def _fetch_from(self, needed: _Wanted, hints: Sequence[str]) -> dict[str, pygit2.Oid]:
        with needed.repo.opened():
            try:
                fetched = needed.repo.fetch(needed.branches, [*needed.refspecs, *hints])
            except RefNotFound as missing:
                if missing.ref not in hints or missing.ref in needed.refspecs:
                    raise
                fetched = needed.repo.fetch(needed.branches, needed.refspecs)
        origin = needed.repo.origin
        for refspec, commit in fetched.items():
            if names_fixed_commit(refspec):
                self._known.put((origin.project, origin.url, refspec), commit)
        return fetched

    def _find(self, repo: Repo, refspec: str) -> pygit2.Oid | None:
        commit = self._known.get((repo.origin.project, repo.origin.url, refspec))
        if commit is None:
            return None
        with repo.opened():
            return commit if repo.holds(commit) else None
