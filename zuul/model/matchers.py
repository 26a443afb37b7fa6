"""Whether a job applies to a change: its branch, files and skip-if rules (contract zuul.md 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from zuul.model.change import Change, Changeish, Ref
from zuul.model.job import Job, SkipIf

#: Gerrit lists the commit message among the files of a change
COMMIT_MESSAGE = "/COMMIT_MSG"


class Rule(Enum):
    """What of a job can keep it from a change; values are the layout's words."""

    BRANCH = "branch"
    FILES = "files"
    SKIP_IF = "skip-if"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The rule of a job that keeps it from a change."""

    rule: Rule
    #: of skip-if: which of the job's predicates
    index: int = 0


_BRANCH = Obstacle(Rule.BRANCH)
_FILES = Obstacle(Rule.FILES)


def job_applies(job: Job, change: Changeish) -> bool:
    """Whether the job runs for the change at all."""
    return find_obstacle(job, change) is None


def find_obstacle(job: Job, change: Changeish) -> Obstacle | None:
    """The first rule of the job that keeps it from the change; None if it applies."""
    if not _branch_allows(job, change):
        return _BRANCH
    if not _files_allow(job, change):
        return _FILES
    for index, rule in enumerate(job.skip_if):
        if _skips(rule, change):
            return Obstacle(Rule.SKIP_IF, index)
    return None


def branch_of(change: Changeish) -> str | None:
    """What branch rules are tried on: the branch of a change, the ref of a ref."""
    if isinstance(change, Change):
        return change.branch
    return change.ref if isinstance(change, Ref) else None


def _branch_allows(job: Job, change: Changeish) -> bool:
    if not job.branches:
        return True
    branch = branch_of(change)
    return branch is not None and any(pattern.match(branch) for pattern in job.branches)


def _files_allow(job: Job, change: Changeish) -> bool:
    if not job.files:
        return True
    files = change.files if isinstance(change, Change) else None
    return any(pattern.match(name) for name in files or () for pattern in job.files)


def _skips(rule: SkipIf, change: Changeish) -> bool:
    if rule.project and not rule.project.match(change.project):
        return False
    if rule.branch:
        branch = branch_of(change)
        if branch is None or not rule.branch.match(branch):
            return False
    if rule.all_files_match_any:
        files = change.files if isinstance(change, Change) else None
        if not files or len(files) < 2:
            return False
        return all(
            name == COMMIT_MESSAGE or any(p.match(name) for p in rule.all_files_match_any)
            for name in files
        )
    return True
