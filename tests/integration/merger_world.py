"""An origin with changes in it, and a merger that works on it: what the merger's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.merger_histories import run_git
from zuul.lib.git import Limits
from zuul.merger.merger import Merger, MergerSettings
from zuul.merger.requests import MergeAnswer, MergeItem, MergeRequest, Origin, Prefetch
from zuul.merger.ssh import SshLogin
from zuul.model.layout import MergeMode

PROTOCOLS = frozenset({"file", "ssh"})


class OriginRepo:
    """A bare repository that stands for Gerrit's; changes are commits under refs/changes/."""

    def __init__(self, folder: Path, project: str, branch: str = "master") -> None:
        self.project = project
        self.path = folder / project
        self.path.mkdir(parents=True)
        run_git(self.path, "init", "-q", "--bare", "-b", branch, ".")
        self.head: dict[str, str] = {}
        self.commit(branch, {"README": "readme\n"}, "initial commit")
        self._changes = 0

    @property
    def url(self) -> str:
        return str(self.path)

    def origin(self, connection: str = "") -> Origin:
        return Origin(self.project, self.url, connection)

    def commit(self, branch: str, files: dict[str, str], message: str, parent: str = "") -> str:
        """A commit on a branch, on top of its head or of `parent`."""
        parent = parent or self.head.get(branch, "")
        commit = self._write(files, message, parent)
        run_git(self.path, "update-ref", f"refs/heads/{branch}", commit)
        self.head[branch] = commit
        return commit

    def change(
        self,
        files: dict[str, str],
        *,
        parent: str = "",
        branch: str = "master",
        mode: MergeMode = MergeMode.MERGE_RESOLVE,
        connection: str = "",
    ) -> MergeItem:
        """Upload a change with these files on top of the branch, or of another commit."""
        self._changes += 1
        number = self._changes
        refspec = f"refs/changes/{number % 100:02}/{number}/1"
        commit = self._write(files, f"change {number}", parent or self.head[branch])
        run_git(self.path, "update-ref", refspec, commit)
        name = f"Z{self.project.encode().hex()[-8:]}{number:024}"
        return MergeItem(self.origin(connection), mode, refspec, branch, name, f"{number}", "1")

    def changes(self, names: str, **how: Any) -> list[MergeItem]:
        """A change for each letter, which adds a file of that name."""
        return [self.change({name: f"{name}\n"}, **how) for name in names]

    def _write(self, files: dict[str, str], message: str, parent: str) -> str:
        stream = [
            "reset refs/import\ncommit refs/import\n"
            "committer Ann <ann@example.com> 1400000000 +0000\n"
            f"data {len(message.encode())}\n{message}\n"
        ]
        if parent:
            stream.append(f"from {parent}\n")
        for path, content in files.items():
            stream.append(f'M 100644 inline "{path}"\ndata {len(content.encode())}\n{content}\n')
        run_git(self.path, "fast-import", "--quiet", "--force", stdin="".join(stream).encode())
        commit = run_git(self.path, "rev-parse", "refs/import")
        run_git(self.path, "update-ref", "-d", "refs/import")
        return commit


class MergerWorld:
    """A merger under test and a look at what it published."""

    def __init__(self, folder: Path, logins: tuple[SshLogin, ...] = ()) -> None:
        self.git_dir = folder / "git"
        self.settings = MergerSettings(
            self.git_dir,
            "Zuul",
            "zuul@example.com",
            logins,
            limits=Limits(clone_seconds=60, fetch_seconds=30, local_seconds=30),
            protocols=PROTOCOLS,
        )
        self.merger = Merger(self.settings)

    def restart(self) -> None:
        self.merger.close()
        self.merger = Merger(self.settings)

    def merge(
        self,
        *items: MergeItem,
        parent: MergeItem | None = None,
        prefetch: tuple[MergeItem, ...] = (),
    ) -> MergeAnswer:
        hints = tuple(Prefetch(item.origin.project, item.refspec) for item in prefetch)
        return self.merger.merge(MergeRequest(items, parent and parent.zuul_ref, hints))

    def subjects(self, project: str, ref: str) -> list[str]:
        """The history of a ref, first parents only and oldest first."""
        log = run_git(
            self.git_dir / project, "log", "--format=%s", "--reverse", "--first-parent", ref, "--"
        )
        return log.splitlines()

    def files(self, project: str, ref: str) -> set[str]:
        listed = run_git(self.git_dir / project, "ls-tree", "-r", "--name-only", ref)
        return set(listed.splitlines())

    def refs(self, project: str, prefix: str = "refs/zuul/") -> set[str]:
        listed = run_git(self.git_dir / project, "for-each-ref", "--format=%(refname)", prefix)
        return set(listed.splitlines())


def published(item: MergeItem, by: MergeItem | None = None) -> str:
    """The ref of `item`'s line in the state of `by`."""
    return f"refs/zuul/{item.branch}/{(by or item).zuul_ref}"


def wire(item: MergeItem) -> dict[str, Any]:
    """The item as the scheduler sends it (contract zuul.md 6.1)."""
    return {
        "project": item.origin.project,
        "url": item.origin.url,
        "connection_name": item.origin.connection or None,
        "merge_mode": int(item.mode),
        "refspec": item.refspec,
        "branch": item.branch,
        "ref": item.zuul_ref,
        "number": item.number,
        "patchset": item.patchset,
        "oldrev": None,
        "newrev": None,
    }


@contextmanager
def merger_world(folder: Path, logins: tuple[SshLogin, ...] = ()) -> Iterator[MergerWorld]:
    world = MergerWorld(folder, logins)
    try:
        yield world
    finally:
        world.merger.close()
