"""The repository that bench_merge.py merges changes of."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

ENVIRONMENT = {
    **os.environ,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
}
_LINES = 40


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        input=stdin,
        env=ENVIRONMENT,
    )
    return done.stdout.strip()


def refspec(number: int) -> str:
    return f"refs/changes/{number % 100:02}/{number}/1"


def make_origin(parent: Path, changes: int, files: int, content: bool) -> Path:
    """A bare repository with `changes` changes, each on the branch's head.

    A change edits one of `files` files and adds one to a shared folder; with `content` it also
    edits a line of its own in one file that all of them edit.
    """
    folder = Path(tempfile.mkdtemp(prefix="origin", dir=parent))
    git(folder, "init", "-q", "--bare", "-b", "master")
    shared = [f"shared line {number}\n" for number in range(4 * changes + 8)]
    stream = [_commit("refs/heads/master", 1_400_000_000, None)]
    stream += [_file(_path(number), "line\n" * _LINES) for number in range(files)]
    stream.append(_file("SHARED", "".join(shared)))
    for number in range(1, changes + 1):
        half = "line\n" * (_LINES // 2)
        stream.append(_commit(refspec(number), 1_400_000_000 + number, "refs/heads/master"))
        stream.append(_file(_path(number % files), f"{half}change {number}\n{half}"))
        stream.append(_file(f"new/n{number}.txt", "x\n"))
        if content:
            edited = list(shared)
            edited[4 * number] = f"change {number}\n"
            stream.append(_file("SHARED", "".join(edited)))
    git(folder, "fast-import", "--quiet", stdin="".join(stream))
    git(folder, "repack", "-adq")
    git(folder, "pack-refs", "--all")
    return folder


def _path(number: int) -> str:
    return f"d{number % 10}/s{number // 10 % 10}/f{number}.py"


def _commit(ref: str, at: int, parent: str | None) -> str:
    start = f"commit {ref}\ncommitter a <a@example.com> {at} +0000\ndata 7\nchange\n"
    return start + (f"from {parent}\n" if parent else "")


def _file(path: str, content: str) -> str:
    return f"M 644 inline {path}\ndata {len(content)}\n{content}\n"
