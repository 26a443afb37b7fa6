"""Makes clones, and takes away what a killed git left in one.

A clone is complete when it appears as `.git`: it is built in a folder beside it and renamed. Other
projects' clones may lie in folders below, so nothing but `.git` is ever moved or removed.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from zuul.lib.git import Git, GitResult, Limits
from zuul.lib.logs import fields
from zuul.merger.failures import CloneBroken
from zuul.merger.fetch_view import FOLDER, FetchView

log = logging.getLogger("zuul.Repo")

_DRAFT = ".git.new-"
_OLD = ".git.old-"


def clone(
    folder: Path, url: str, make_git: Callable[[Path], Git], limits: Limits, advice: str
) -> None:
    """Clone `url` as `folder/.git`, in place of what may be there. Raises a MergerError."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob(f"{_DRAFT}*"), *folder.glob(f"{_OLD}*")):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        draft.chmod(0o755)
        git = make_git(draft)
        _init(git, url, limits)
        view = FetchView(git, draft, url, limits, advice)
        view.prepare()
        view.update()
        _put_in_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _init(git: Git, url: str, limits: Limits) -> None:
    seconds = limits.local_seconds
    _check(git.run(["init", "-q", "--bare", "--template=", "--", "."], seconds))
    for key, value in (
        ("remote.origin.url", url),
        ("core.bare", "false"),
        ("core.logAllRefUpdates", "false"),
    ):
        _check(git.run(["config", "--file", "config", "--", key, value], seconds))


def origin_answers(folder: Path, url: str, make_git: Callable[[Path], Git], limits: Limits) -> bool:
    """Whether the origin can be read at all, asked from outside the clone."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = make_git(folder).run(
        ["--git-dir=/dev/null", "ls-remote", "--quiet", "--", url, "HEAD"], limits.fetch_seconds
    )
    return asked.is_ok


def remove_stale_locks(git_folder: Path) -> list[Path]:
    """Take away what killed processes left; the owner calls this while no git of its runs."""
    left = []
    for folder in (git_folder, git_folder / FOLDER):
        left += [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")]
    left += git_folder.glob("objects/**/*.lock")
    for path in left:
        path.unlink(missing_ok=True)
        log.warning("Removed a stale lock %s", fields(path=path))
    for folder in git_folder.glob("zuul-merge-*"):
        shutil.rmtree(folder, ignore_errors=True)
    return left


def _put_in_place(draft: Path, folder: Path) -> None:
    place = folder / ".git"
    old: Path | None = None
    if place.exists() or place.is_symlink():
        old = Path(tempfile.mkdtemp(prefix=_OLD, dir=folder))
        place.rename(old / "git")
    draft.rename(place)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _check(result: GitResult) -> None:
    if not result.is_ok:
        raise CloneBroken(result.reason)
