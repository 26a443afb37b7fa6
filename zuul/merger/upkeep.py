"""Keeps a long-lived clone fast: packs loose objects and refs, removes published refs of old.

Runs between jobs. What is packed is decided by counting files, so that looking costs nothing.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from zuul.errors import MergerError
from zuul.lib.git import Git, GitResult, Limits
from zuul.lib.logs import fields

log = logging.getLogger("zuul.Repo")

#: one of the 256 folders that loose objects are spread over
_SAMPLE_FOLDER = "17"
_FOLDERS = 256
_GARBAGE_AGE = "2.weeks.ago"
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class UpkeepPolicy:
    """When a clone is packed."""

    loose_objects: int = 6_000
    packs: int = 40


def needs_packing(git_folder: Path, policy: UpkeepPolicy) -> bool:
    """Whether there are more loose objects (estimated) or packs than the policy wants."""
    objects = git_folder / "objects"
    loose = _count(objects / _SAMPLE_FOLDER) * _FOLDERS
    packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
    return loose > policy.loose_objects or packs > policy.packs


def pack(git: Git, limits: Limits) -> None:
    """Loose objects and small packs become one pack, loose refs one file. Raises MergerError."""
    seconds = limits.maintenance_seconds
    _check(git.run(["pack-refs", "--all"], seconds))
    _check(git.run(["repack", "-q", "-d", "-l", "--geometric=2"], seconds))


def expire_refs(
    git: Git, limits: Limits, max_age_days: int, now: float, keep: Collection[str]
) -> int:
    """Delete refs/zuul/* whose commit is older, but those in `keep`; returns how many.

    `keep` holds the Z-names that may be in use: the commit of a fast-forward is as old as the
    change, not as its test. Objects that nothing refers to any more go two weeks later.
    """
    oldest = now - max_age_days * _SECONDS_A_DAY
    listed = git.run(
        ["for-each-ref", "--format=%(committerdate:unix) %(refname)", "refs/zuul/"],
        limits.maintenance_seconds,
    )
    _check(listed)
    expired = []
    for line in listed.output.splitlines():
        date, _, ref = line.partition(" ")
        if date and int(date) < oldest and ref.rpartition("/")[2] not in keep:
            expired.append(ref)
    if not expired:
        return 0
    with tempfile.TemporaryFile() as commands:
        commands.writelines(f"delete {ref}\n".encode() for ref in expired)
        commands.seek(0)
        _check(git.run(["update-ref", "--stdin"], limits.maintenance_seconds, stdin=commands))
    _check(git.run(["gc", "-q", f"--prune={_GARBAGE_AGE}"], limits.maintenance_seconds))
    log.info("Removed old refs %s", fields(folder=git.folder, refs=len(expired)))
    return len(expired)


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _check(result: GitResult) -> None:
    if not result.is_ok:
        raise MergerError(result.reason)
