"""Which projects of a dependent pipeline share a change queue: contract zuul.md 3.5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zuul.model.job import Job
from zuul.model.layout import SharedQueue


@dataclass(frozen=True, slots=True)
class NameConflict:
    """The jobs of one queue give it several names."""

    projects: tuple[str, ...]
    #: sorted queue names, each with a job that gives it
    names: tuple[tuple[str, str], ...]


def find_queues(
    jobs_by_project: Mapping[str, Iterable[str]], jobs: Mapping[str, Job]
) -> tuple[tuple[SharedQueue, ...], tuple[NameConflict, ...]]:
    """Projects that share a job, directly or through others, share a queue.

    Filters do not matter. Ordered by each queue's first project name.
    """
    owner: dict[str, str] = {}
    leader: dict[str, str] = {}

    def find(project: str) -> str:
        while leader[project] != project:
            leader[project] = leader[leader[project]]
            project = leader[project]
        return project

    for project, names in jobs_by_project.items():
        leader[project] = project
        for name in names:
            first = owner.setdefault(name, project)
            if first != project:
                leader[find(project)] = find(first)
    groups: dict[str, list[str]] = {}
    for project in jobs_by_project:
        groups.setdefault(find(project), []).append(project)
    given: dict[str, dict[str, str]] = {}
    for name, project in owner.items():
        queue_name = jobs[name].queue_name
        if queue_name:
            given.setdefault(find(project), {}).setdefault(queue_name, name)
    queues: list[SharedQueue] = []
    conflicts: list[NameConflict] = []
    for group, members in groups.items():
        projects = tuple(sorted(members))
        names_given = sorted(given.get(group, {}).items())
        if len(names_given) > 1:
            conflicts.append(NameConflict(projects, tuple(names_given)))
        name = names_given[0][0] if names_given else ", ".join(projects)
        queues.append(SharedQueue(name, projects))
    return tuple(sorted(queues, key=lambda queue: queue.projects)), tuple(conflicts)
