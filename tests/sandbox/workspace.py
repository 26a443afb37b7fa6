"""A build's folder: the projects as the gate prepared them, side by side (cf. zuul-cloner)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import requests

GIT_SECONDS = 120
ZERO = "0" * 40
#: A workspace that would hold more projects than this is a mistake.
MAX_PROJECTS = 50
_META_PROJECTS = {"All-Projects", "All-Users"}


class WorkspaceError(Exception):
    """Something that had to be fetched could not be."""


def list_projects(git_base: str) -> list[str]:
    """All projects of the Gerrit at this address; empty when it does not tell."""
    try:
        answer = requests.get(f"{git_base}/projects/", timeout=10)
        found = json.loads(answer.text.partition("\n")[2])
    except (requests.RequestException, ValueError):
        return []
    names = set(found) if isinstance(found, dict) else set()
    return sorted(names - _META_PROJECTS)[:MAX_PROJECTS]


def changed_projects(parameters: Mapping[str, str]) -> list[str]:
    """Projects of the changes under test, in their order: from `project:branch:ref^...`."""
    changes = filter(None, parameters.get("ZUUL_CHANGES", "").split("^"))
    return list(dict.fromkeys(change.split(":", 1)[0] for change in changes))


class Workspace:
    """Checks projects out below `root`. Names, refs and addresses come from outside: they are
    passed as arguments after `--`, and refused when they could be anything else."""

    def __init__(self, root: Path, git_base: str, parameters: Mapping[str, str]) -> None:
        self.root = root
        self._git_base = git_base
        self._parameters = parameters

    def prepare(self, projects: Iterable[str]) -> None:
        """Fetch the project under test and these. Raises WorkspaceError."""
        under_test = self._parameters.get("ZUUL_PROJECT", "")
        wanted = dict.fromkeys([under_test, *projects]) if under_test else dict.fromkeys(projects)
        for project in wanted:
            tree = self._start(project)
            if project == under_test:
                self._fetch_tested(tree, project)
            else:
                self._fetch_other(tree, project)

    def _start(self, project: str) -> Path:
        tree = (self.root / project).resolve()
        if not tree.is_relative_to(self.root.resolve()) or project.startswith("-"):
            raise WorkspaceError(f"project {project!r} leaves the workspace")
        tree.mkdir(parents=True, exist_ok=True)
        self._git(tree, "init", "-q")
        return tree

    def _fetch_tested(self, tree: Path, project: str) -> None:
        """What the gate prepared; for a moved ref its new revision; else the branch."""
        parameters = self._parameters
        new_revision = parameters.get("ZUUL_NEWREV")
        if new_revision == ZERO:
            return
        if new_revision:
            ref = parameters.get("ZUUL_REFNAME") or parameters.get("ZUUL_REF", "")
            ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
            if not self._fetch(tree, self._origin(project), ref):
                raise WorkspaceError(f"cannot fetch {ref} of {project} from {self._git_base}")
            self._git(tree, "checkout", "-q", "--detach", new_revision)
            return
        ref = parameters.get("ZUUL_REF", "")
        if not ref:
            self._fetch_other(tree, project)
        elif not self._fetch(tree, self._prepared(project), ref):
            raise WorkspaceError(f"cannot fetch {ref} of {project} from the merger")
        else:
            self._git(tree, "checkout", "-q", "--detach", "FETCH_HEAD")

    def _fetch_other(self, tree: Path, project: str) -> None:
        """The prepared ref if the merger has one for this project, else the branch, else master."""
        ref = self._parameters.get("ZUUL_REF", "")
        branch = self._parameters.get("ZUUL_BRANCH", "master")
        places = [(self._prepared(project), ref)] if ref.startswith("refs/zuul/") else []
        places.append((self._origin(project), f"refs/heads/{branch}"))
        places.append((self._origin(project), "refs/heads/master"))
        for address, wanted in places:
            if self._fetch(tree, address, wanted):
                self._git(tree, "checkout", "-q", "--detach", "FETCH_HEAD")
                return
        raise WorkspaceError(f"cannot fetch {project}: neither {ref} nor a branch")

    def _prepared(self, project: str) -> str:
        return f"{self._parameters.get('ZUUL_URL', self._git_base)}/{quote(project)}"

    def _origin(self, project: str) -> str:
        return f"{self._git_base}/{quote(project)}"

    def _fetch(self, tree: Path, address: str, ref: str) -> bool:
        if not ref.startswith("refs/") or address.startswith("-"):
            return False
        return self._run(tree, ["fetch", "-q", "--no-tags", "--", address, ref]).returncode == 0

    def _git(self, tree: Path, *arguments: str) -> None:
        done = self._run(tree, arguments)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise WorkspaceError(f"git {arguments[0]} in {tree.name}: {said}")

    def _run(self, tree: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
        return subprocess.run(
            ["git", *arguments],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
