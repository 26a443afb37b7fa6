"""What a new layout changes: which jobs run where, and what jobs are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from zuul.lib.patterns import Pattern
from zuul.model.job import Job, SkipIf
from zuul.model.layout import Layout

#: of Job, by its field; the function behind a name is not compared, its name is
_SPELLINGS = {"branches": "branch", "parameter_function_name": "parameter-function"}
_PASSED_OVER = ("name", "parameter_function")


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """Of one project in one pipeline; names are in the order of the trees."""

    project: str
    pipeline: str
    appear: tuple[str, ...]
    vanish: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One setting of a job that stands in both layouts, ready for JSON."""

    job: str
    setting: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class LayoutDifferences:
    """Empty if the same jobs run in the same places."""

    trees: tuple[TreeDifference, ...]
    settings: tuple[SettingDifference, ...]

    def __bool__(self) -> bool:
        return bool(self.trees or self.settings)


def compare_layouts(old: Layout, new: Layout) -> LayoutDifferences:
    """A pipeline or project that only one has counts as one without jobs in the other."""
    return LayoutDifferences(tuple(_trees(old, new)), tuple(_settings(old, new)))


def _trees(old: Layout, new: Layout) -> Iterator[TreeDifference]:
    before, after = _jobs_by_place(old), _jobs_by_place(new)
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place, {}), after.get(place, {})
        appear = tuple(name for name in now if name not in was)
        vanish = tuple(name for name in was if name not in now)
        if appear or vanish:
            yield TreeDifference(*place, appear, vanish)


def _jobs_by_place(layout: Layout) -> dict[tuple[str, str], dict[str, None]]:
    return {
        (project, pipeline.name): dict.fromkeys(node.job.name for node in tree.walk())
        for pipeline in layout.pipelines
        for project, tree in pipeline.trees.items()
    }


def _settings(old: Layout, new: Layout) -> Iterator[SettingDifference]:
    for name in sorted(old.jobs.keys() & new.jobs.keys()):
        was, now = old.jobs[name], new.jobs[name]
        if was == now:
            continue
        for field in fields(Job):
            before, after = getattr(was, field.name), getattr(now, field.name)
            if before != after and field.name not in _PASSED_OVER:
                setting = _SPELLINGS.get(field.name, field.name.replace("_", "-"))
                yield SettingDifference(name, setting, _plain(before), _plain(after))


def _plain(value: Any) -> Any:
    """As written in a layout."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, SkipIf):
        rules = {
            "project": _plain(value.project),
            "branch": _plain(value.branch),
            "all-files-match-any": _plain(value.all_files_match_any),
        }
        return {key: rule for key, rule in rules.items() if rule}
    return value.pattern if isinstance(value, Pattern) else value
