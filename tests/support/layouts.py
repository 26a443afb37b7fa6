"""Layouts of the scenarios: files under tests/fixtures/layouts, and small changes to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from zuul.layout.loader import parse_layout
from zuul.model.layout import Layout

FOLDER = Path(__file__).parents[1] / "fixtures" / "layouts"
CONNECTIONS = {"gerrit": "gerrit", "smtp": "smtp", "database": "sql", "failures": "sql"}

#: changes the parsed YAML of a layout in place
Edit = Callable[[dict[str, Any]], None]


@lru_cache(maxsize=256)
def _expand(text: str, name: str) -> Layout:
    return parse_layout(text, name, base=FOLDER, connections=CONNECTIONS)


@lru_cache(maxsize=16)
def _read(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


def load_layout(name: str = "L0", *edits: Edit) -> Layout:
    """The layout of that name, expanded, after `edits`. Raises LayoutError if they spoil it."""
    if not edits:
        return _expand(_read(name), name)
    data = yaml.safe_load(_read(name))
    for edit in edits:
        edit(data)
    # aliases would be written for lists that two pipelines share; an edit may then not tell them
    # apart, and copies are what the layout means
    text = yaml.dump(data, Dumper=_PlainDumper, sort_keys=False)
    return _expand(text, name)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The entry of that name in a list of pipelines, jobs or projects."""
    return next(entry for entry in entries if entry["name"] == name)


def pipeline(name: str, **keys: Any) -> Edit:
    """Set keys of a pipeline, underscores standing for hyphens; a new name adds it."""

    def edit(data: dict[str, Any]) -> None:
        if name not in [entry["name"] for entry in data["pipelines"]]:
            data["pipelines"].append({"name": name})
        entry = named(data["pipelines"], name)
        entry.update({key.replace("_", "-"): value for key, value in keys.items()})

    return edit


def job(name: str, **keys: Any) -> Edit:
    """Set keys of a job, or add it."""

    def edit(data: dict[str, Any]) -> None:
        if name not in [entry["name"] for entry in data["jobs"]]:
            data["jobs"].append({"name": name})
        entry = named(data["jobs"], name)
        entry.update({key.replace("_", "-"): value for key, value in keys.items()})

    return edit


def project(name: str, **trees: Any) -> Edit:
    """Set a project's job trees by pipeline, or add it; None takes a tree away."""

    def edit(data: dict[str, Any]) -> None:
        if name not in [entry["name"] for entry in data["projects"]]:
            data["projects"].append({"name": name})
        entry = named(data["projects"], name)
        entry.update({key.replace("_", "-"): value for key, value in trees.items()})
        for key in [key for key, value in entry.items() if value is None]:
            del entry[key]

    return edit


def without_project(name: str) -> Edit:
    """Make a project foreign."""

    def edit(data: dict[str, Any]) -> None:
        data["projects"].remove(named(data["projects"], name))

    return edit


def without_pipeline(name: str) -> Edit:
    """Remove a pipeline and all that projects say of it."""

    def edit(data: dict[str, Any]) -> None:
        data["pipelines"].remove(named(data["pipelines"], name))
        for entry in data["projects"]:
            entry.pop(name, None)

    return edit
