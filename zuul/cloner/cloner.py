"""Clones the projects of a build at the state that is to be tested (contract zuul.md 11.4)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from zuul.cloner.clonemap import CloneMap
from zuul.cloner.plan import (
    CheckoutPlan,
    CloneRequest,
    check_request,
    origin_of,
    plan_checkout,
    wanted_branch,
)
from zuul.cloner.workspace import WorkTree
from zuul.errors import CloneError
from zuul.lib.git import Limits
from zuul.lib.logs import fields

log = logging.getLogger("zuul.Cloner")


class Cloner:
    """The clones of one build."""

    def __init__(
        self,
        request: CloneRequest,
        workspace: Path,
        *,
        cache: Path | None = None,
        clone_map: CloneMap | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises CloneError if the request or the map cannot be used."""
        check_request(request)
        self._request = request
        self._workspace = workspace
        self._cache = cache
        self._limits = limits or Limits()
        self._sleep = sleep
        #: folder of each project, relative to the workspace
        self.destinations = (clone_map or CloneMap()).destinations(request.projects)
        if request.zuul_ref and not request.zuul_branch and not request.zuul_newrev:
            log.warning("ZUUL_REF is set without ZUUL_BRANCH: branches are checked out")

    def clone_all(self) -> None:
        """One project after the other, in the order given. Raises CloneError at the first lack."""
        begin = time.monotonic()
        for project, place in self.destinations.items():
            self._clone(project, self._workspace / place)
        seconds = round(time.monotonic() - begin, 1)
        log.info("Prepared all repositories %s", fields(seconds=seconds))

    def _clone(self, project: str, folder: Path) -> None:
        tree = WorkTree(project, folder, self._limits, self._sleep)
        tree.open(self._workspace, origin_of(self._request, project), self._find_cache(project))
        tree.update()
        wanted = wanted_branch(self._request, project)
        has_wanted = wanted is not None and tree.find_branch(wanted) is not None
        plan = plan_checkout(self._request, project, has_wanted)
        commit, what = self._choose(tree, plan)
        tree.check_out(commit)
        log.info("Prepared %s", fields(project=project, folder=folder, ref=what, commit=commit))

    def _find_cache(self, project: str) -> Path | None:
        if self._cache is None:
            return None
        found = self._cache / project
        return found if found.is_dir() else None

    def _choose(self, tree: WorkTree, plan: CheckoutPlan) -> tuple[str, str]:
        """The commit to check out, and where it is from. Raises CloneError."""
        if plan.revision is not None:
            for source in plan.refs:
                tree.fetch(source.url, source.ref)
            found = tree.find_commit(plan.revision)
            if found is None:
                text = f"{tree.project}: the revision {plan.revision} is not there"
                raise CloneError(text, project=tree.project)
            return found, plan.revision
        for number, source in enumerate(plan.refs):
            found = tree.fetch(source.url, source.ref)
            if found is not None:
                return found, source.ref
            if number == 0 and plan.first_is_required:
                text = f"{tree.project}: what is to be tested is gone: {source.ref} of {source.url}"
                raise CloneError(text, project=tree.project)
        for branch in plan.branches:
            found = tree.find_branch(branch)
            if found is not None:
                return found, branch
        return self._choose_default(tree, plan)

    def _choose_default(self, tree: WorkTree, plan: CheckoutPlan) -> tuple[str, str]:
        default = tree.find_default()
        found = tree.find_branch(default) if default is not None else None
        if default is None or found is None:
            text = f"{tree.project}: the origin has no branch {plan.branches[-1]}"
            raise CloneError(text, project=tree.project)
        log.warning(
            "No such branch, taking the origin's default %s",
            fields(project=tree.project, branch=plan.branches[-1], default=default),
        )
        return found, default
