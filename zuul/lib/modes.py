"""Who can change or read a file of ours.

Whoever can write what a daemon believes (its state, its clones, who may do what) decides what is
merged: such a file is refused. One that others can only read gives a warning at most.
"""

from __future__ import annotations

import stat
from pathlib import Path

from zuul.lib.problems import ConfigError, Problem

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def problem_of_writers(path: Path) -> Problem | None:
    """What is wrong if others than its owner can change `path`. Raises OSError."""
    mode = path.stat().st_mode
    if not mode & _OTHERS_WRITE:
        return None
    text = f"others than its owner can change it (mode {stat.S_IMODE(mode):o}): chmod go-w {path}"
    return Problem(str(path), 0, "", text)


def refuse_writers(*paths: Path) -> None:
    """Raises ConfigError for those of `paths` that others can change; none need be there."""
    problems = []
    for path in paths:
        try:
            problems.append(problem_of_writers(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(Problem(str(path), 0, "", f"cannot be looked at: {error}"))
    found = [problem for problem in problems if problem is not None]
    if found:
        raise ConfigError(found)


def make_folder(path: Path) -> None:
    """Make `path` and what is missing above it, whatever the umask is. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o755, exist_ok=True)


def is_readable_by_others(path: Path) -> bool:
    """Raises OSError."""
    return bool(path.stat().st_mode & _OTHERS)
