"""`git fetch`: its arguments, the list it leaves behind, and what its failures mean."""

from __future__ import annotations

import re

from zuul.errors import MergerError
from zuul.lib.git import GitResult
from zuul.merger.failures import CloneBroken, OriginUnreachable, RefNotFound

ALL_BRANCHES_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
FETCH = (
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--update-head-ok",
)

_FETCHED = re.compile(r"([0-9a-f]{40})\t(?:not-for-merge)?\t(?:(branch|tag) )?'(.*)' of .*")
_PREFIXES = {"branch": "refs/heads/", "tag": "refs/tags/", "": "", None: ""}
_MISSING_REF = re.compile(r"couldn't find remote ref (\S+)")
_HOST_KEY = re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED")
_UNREACHABLE = re.compile(
    r"Could not read from remote repository|unable to access|Could not resolve host"
    r"|Connection (?:refused|timed out|reset|closed)|Permission denied|Network is unreachable"
    r"|early EOF|the remote end hung up|does not appear to be a git repository"
    r"|Authentication failed|transport '\S+' not allowed|repository '.*' not found",
    re.IGNORECASE,
)
_BRANCH_CLASH = re.compile(r"cannot lock ref|unable to update local ref|could not be updated")


class BranchClash(CloneBroken):
    """A branch stands in the way of another that nests under its name; pruning helps."""


def parse_fetched(fetch_head: str) -> dict[str, str]:
    """FETCH_HEAD -> {full ref at the origin: commit}."""
    fetched = {}
    for line in fetch_head.splitlines():
        found = _FETCHED.match(line)
        if found:
            fetched[_PREFIXES[found[2]] + found[3]] = found[1]
    return fetched


def failure_of(result: GitResult, advice: str) -> MergerError:
    """What a failed fetch means; `advice` says what to do about a host key.

    A CloneBroken is a guess that leaves out the network only by what git says; the caller makes
    sure of the origin before it gives a clone up.
    """
    missing = _MISSING_REF.search(result.errors)
    if missing:
        return RefNotFound(missing[1])
    if _HOST_KEY.search(result.errors):
        return OriginUnreachable(advice)
    if result.was_killed:
        return OriginUnreachable(f"the fetch was cut short: {result.reason}")
    if _BRANCH_CLASH.search(result.errors):
        return BranchClash(result.reason)
    if _UNREACHABLE.search(result.errors):
        return OriginUnreachable(f"the origin cannot be read: {result.reason}")
    return CloneBroken(result.reason)
