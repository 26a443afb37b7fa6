"""Small random histories of all that makes merging hard, for comparing a merger with git."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: path -> (mode, content); a tree as a person thinks of it
Files = dict[str, tuple[str, bytes]]

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/local/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.com"))
    },
}


def run_git(folder: Path, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
    """Git's output, stripped."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    if check and done.returncode:
        raise AssertionError(f"git {arguments}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


@dataclass
class Importer:
    """Writes commits by `git fast-import`, one stream for all of them."""

    parts: list[bytes] = field(default_factory=list)
    marks: int = 0

    def commit(
        self, ref: str, files: Files, parents: tuple[int, ...] = (), message: str = "a change\n"
    ) -> int:
        """Returns the mark of a commit that has exactly these files."""
        self.marks += 1
        text = message.encode()
        self.parts.append(
            f"reset {ref}\ncommit {ref}\nmark :{self.marks}\n"
            f"author Bob <bob@example.com> {1400000000 + self.marks} +0200\n"
            f"committer Ann <ann@example.com> {1400000000 + self.marks} +0000\n"
            f"data {len(text)}\n".encode()
            + text
        )
        for number, parent in enumerate(parents):
            self.parts.append(f"{'merge' if number else 'from'} :{parent}\n".encode())
        self.parts.append(b"deleteall\n")
        for path, (mode, content) in sorted(files.items()):
            self.parts.append(
                f'M {mode} inline "{path}"\ndata {len(content)}\n'.encode() + content + b"\n"
            )
        return self.marks

    def write_to(self, folder: Path) -> None:
        run_git(folder, "fast-import", "--quiet", "--force", stdin=b"".join(self.parts))


def lines(rng: random.Random, count: int = 12) -> bytes:
    return b"".join(b"line %d of %d\n" % (number, rng.randrange(10_000)) for number in range(count))


def first_files(rng: random.Random) -> Files:
    paths = [f"{folder}f{number}" for folder in ("", "a/", "a/b/", "c/") for number in range(3)]
    return {path: ("100644", lines(rng)) for path in paths}


def edited(files: Files, rng: random.Random, steps: int) -> Files:
    """A copy after some random edits."""
    result = dict(files)
    for _ in range(steps):
        if result:
            rng.choice(_EDITS)(result, rng)
    return result


def _edit(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    mode, content = files[path]
    if mode in ("100644", "100755"):
        text = content.split(b"\n")
        text[rng.randrange(len(text))] = b"edit %d" % rng.randrange(3)
        files[path] = (mode, b"\n".join(text))


def _insert(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    mode, content = files[path]
    if mode in ("100644", "100755"):
        text = content.split(b"\n")
        text[rng.randrange(len(text)) : 0] = [b"line of its own", b"}"]
        files[path] = (mode, b"\n".join(text))


def _add(files: Files, rng: random.Random) -> None:
    folder = rng.choice(["", "a/", "a/b/", "c/", "new/", "new/deep/"])
    _put(files, f"{folder}n{rng.randrange(3)}", ("100644", lines(rng, rng.choice([1, 12]))))


def _delete(files: Files, rng: random.Random) -> None:
    del files[rng.choice(sorted(files))]


def _rename(files: Files, rng: random.Random) -> None:
    entry = files.pop(rng.choice(sorted(files)))
    _put(files, rng.choice(["", "a/", "d/"]) + f"r{rng.randrange(3)}", entry)


def _rename_folder(files: Files, rng: random.Random) -> None:
    old, new = rng.choice(["a/", "a/b/", "c/"]), rng.choice(["z/", "c/y/"])
    for path in [path for path in files if path.startswith(old)]:
        _put(files, new + path.removeprefix(old), files.pop(path))


def _delete_folder(files: Files, rng: random.Random) -> None:
    old = rng.choice(["a/", "a/b/", "c/"])
    for path in [path for path in files if path.startswith(old)]:
        del files[path]


def _change_mode(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    mode, content = files[path]
    files[path] = ("100755" if mode == "100644" else "100644", content)


def _make_link(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    files[path] = ("120000", b"target%d" % rng.randrange(2))


def _file_to_folder(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    entry = files.pop(path)
    files[f"{path}/inner"] = entry


def _folder_to_file(files: Files, rng: random.Random) -> None:
    _put(files, rng.choice(["a", "a/b", "c"]), ("100644", lines(rng, 3)))


def _binary(files: Files, rng: random.Random) -> None:
    path = rng.choice(sorted(files))
    files[path] = ("100644", b"\0binary %d\n" % rng.randrange(3))


def _put(files: Files, path: str, entry: tuple[str, bytes]) -> None:
    """Add a file where nothing else may stand in its way."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        files.pop("/".join(parts[:depth]), None)
    for other in [other for other in files if other.startswith(path + "/")]:
        del files[other]
    files[path] = entry


_EDITS: list[Callable[[Files, random.Random], None]] = [
    *[_edit] * 6,
    *[_insert] * 3,
    *[_add] * 3,
    _delete,
    _delete,
    _rename,
    _rename,
    _rename_folder,
    _delete_folder,
    _change_mode,
    _make_link,
    _file_to_folder,
    _folder_to_file,
    _binary,
]
