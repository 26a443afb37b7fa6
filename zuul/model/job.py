"""A job's definition and the tree in which a project runs its jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zuul.model.matching import TextPattern

#: `f(item, job, params)`: changes the parameters of a build in place
ParameterFunction = Callable[..., Any]

#: the job that always succeeds at once, without Gearman
NOOP = "noop"


@dataclass(frozen=True, slots=True)
class SkipIf:
    """One predicate of skip-if: all the given parts must match (contract zuul.md 2.6)."""

    project: TextPattern | None = None
    branch: TextPattern | None = None
    all_files_match_any: tuple[TextPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Jobs are global: the same name in several projects is one job."""

    name: str
    voting: bool = True
    #: launches in all before RETRY_LIMIT
    attempts: int = 3
    hold_following_changes: bool = False
    queue_name: str | None = None
    success_message: str | None = None
    failure_message: str | None = None
    success_pattern: str | None = None
    failure_pattern: str | None = None
    mutex: str | None = None
    tags: frozenset[str] = frozenset()
    branches: tuple[TextPattern, ...] = ()
    files: tuple[TextPattern, ...] = ()
    skip_if: tuple[SkipIf, ...] = ()
    parameter_function: ParameterFunction | None = None
    parameter_function_name: str | None = None
    #: upload destinations as written, by name
    swift: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class JobNode:
    """A place in a tree: `children` run once this node's job has succeeded."""

    job: Job
    children: tuple[JobNode, ...] = ()


@dataclass(frozen=True, slots=True)
class JobTree:
    """All jobs of one project in one pipeline. One job on several nodes shares one build."""

    nodes: tuple[JobNode, ...] = ()

    def walk(self) -> Iterator[JobNode]:
        """All nodes, parents first, in the order written."""
        stack = list(reversed(self.nodes))
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))
