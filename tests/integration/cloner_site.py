"""Origins of four projects, a merger, and a job that clones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.merger_histories import run_git
from tests.integration.merger_world import MergerWorld, OriginRepo, published
from zuul.cloner.cloner import Cloner
from zuul.cloner.plan import CloneRequest
from zuul.lib.git import Limits
from zuul.merger.requests import MergeItem

LIMITS = Limits(clone_seconds=60, fetch_seconds=30, local_seconds=30)
PROJECTS = ("org/project1", "org/project2", "org/project3", "org/project4")


class Site:
    """Origins of four projects, a merger, and a job that clones."""

    def __init__(self, folder: Path, world: MergerWorld) -> None:
        self.folder = folder
        self.world = world
        self.upstream = folder / "upstream"
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.origins = {name: OriginRepo(self.upstream, name) for name in PROJECTS}
        self.slept: list[float] = []

    def add_stable(self, *numbers: int) -> None:
        """A second branch of these projects."""
        for number in numbers:
            origin = self.origins[f"org/project{number}"]
            head = origin.head["master"]
            origin.commit("stable/havana", {"stable": "s\n"}, "stable", parent=head)

    def merge(self, *items: MergeItem) -> dict[str, str]:
        """What a build of the last of these changes has in its environment."""
        answer = self.world.merge(*items)
        assert answer.error is None
        item = items[-1]
        return {
            "zuul_url": str(self.world.git_dir),
            "zuul_project": item.origin.project,
            "zuul_branch": item.branch,
            "zuul_ref": published(item),
        }

    def clone(self, *projects: str, **more: Any) -> None:
        options = {key: more.pop(key) for key in ("cache", "clone_map") if key in more}
        request = CloneRequest(str(self.upstream), projects or PROJECTS, **more)
        Cloner(
            request, self.workspace, limits=LIMITS, sleep=self.slept.append, **options
        ).clone_all()

    def git(self, place: str, *arguments: str) -> str:
        return run_git(self.workspace / place, *arguments)

    def heads(self, *places: str) -> list[str]:
        return [self.git(place, "rev-parse", "HEAD") for place in places or PROJECTS]

    def files(self, place: str) -> set[str]:
        return {each.name for each in (self.workspace / place).iterdir()} - {".git"}

    def head_of(self, number: int, branch: str = "master") -> str:
        return self.origins[f"org/project{number}"].head[branch]

    def made(self, ref: str, number: int) -> str:
        """The commit that the merger published."""
        return run_git(self.world.git_dir / f"org/project{number}", "rev-parse", ref)
