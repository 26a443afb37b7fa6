"""Whether a job applies to a change: its branch, files and skip-if rules (contract zuul.md 2.6)."""

from __future__ import annotations

from zuul.model.change import Change, Changeish, NullChange, Ref
from zuul.model.job import Job, SkipIf

#: Gerrit lists the commit message among the files of a change
COMMIT_MESSAGE = "/COMMIT_MSG"


def job_applies(job: Job, change: Changeish) -> bool:
    """Whether the job runs for the change at all."""
    return (
        _branch_allows(job, change)
        and _files_allow(job, change)
        and not any(_skips(rule, change) for rule in job.skip_if)
    )


def _branch_of(change: Changeish) -> str | None:
    if isinstance(change, Change):
        return change.branch
    return change.ref if isinstance(change, Ref) else None


def _branch_allows(job: Job, change: Changeish) -> bool:
    if not job.branches:
        return True
    branch = _branch_of(change)
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
        branch = None if isinstance(change, NullChange) else _branch_of(change)
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
