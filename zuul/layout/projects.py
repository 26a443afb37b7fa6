"""Entries of `projects`, their templates expanded: contract zuul.md 2.8."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.layout.templates import NAME, Template, expand_template
from zuul.layout.trees import Sprout, problem_of_name, read_tree
from zuul.lib.yaml_fields import Fields
from zuul.model.layout import MergeMode, Project

#: Compat: `merge-resolve` is what Zuul's manual says and its validator refuses
_MERGE_MODES = {
    "merge": MergeMode.MERGE,
    "merge-resolve": MergeMode.MERGE_RESOLVE,
    "cherry-pick": MergeMode.CHERRY_PICK,
}


@dataclass(slots=True)
class ProjectEntry:
    """One project and its job tree by pipeline."""

    project: Project
    trees: dict[str, Sprout] = field(default_factory=dict)


class ProjectReader:
    """Reads all projects; collects every job name and the place that named it first."""

    def __init__(
        self, context: Context, templates: Mapping[str, Template], pipelines: Container[str]
    ) -> None:
        self._context = context
        self._document = context.document
        self._templates = templates
        self._pipelines = pipelines
        self.mentions: dict[str, Node] = {}

    def read(self, nodes: list[Node]) -> dict[str, ProjectEntry]:
        projects: dict[str, ProjectEntry] = {}
        for node in nodes:
            fields = Fields(self._document, node, "a project, which is a map")
            entry = self._read_project(fields)
            name = entry.project.name
            if name in projects:
                self._document.complain(node, f"another project is named {name!r}", "name")
            elif name:
                projects[name] = entry
        return projects

    def _read_project(self, fields: Fields) -> ProjectEntry:
        name = fields.require_name()
        mode = fields.choice("merge-mode", _MERGE_MODES, MergeMode.MERGE_RESOLVE)
        entry = ProjectEntry(Project(name, mode))
        templates = fields.take("template")
        if templates is not None:
            for node in self._document.one_or_more(templates):
                self._use_template(node, name, entry.trees)
        for pipeline, (key, value) in fields.rest().items():
            if pipeline in self._pipelines:
                tree = entry.trees.setdefault(pipeline, {})
                read_tree(self._document, value, tree, self.mentions)
            else:
                self._document.complain(key, f"there is no pipeline {pipeline!r}")
        for tree in entry.trees.values():
            self._check_names(tree, fields.node)
        return entry

    def _use_template(self, node: Node, project: str, trees: dict[str, Sprout]) -> None:
        fields = Fields(self._document, node, "a map with the template's name")
        name = fields.require_text("name")
        given = {NAME: project.rpartition("/")[2]}
        for key in fields.rest():
            given[key] = fields.text(key, "")
        if not name:
            return
        template = self._templates.get(name)
        if template is None:
            self._document.complain(node, f"there is no project template {name!r}", "name")
            return
        missing = template.parameters - given.keys()
        for key in sorted(missing):
            self._document.complain(node, f"is a parameter of {name!r} and not given", key)
        for key in sorted(given.keys() - template.parameters - {NAME}):
            self._document.complain(node, f"is no parameter of {name!r}", key)
        if not missing and template.sound:
            expand_template(template, given, trees)

    def _check_names(self, tree: Sprout, node: Node) -> None:
        for name, below in tree.items():
            place = self.mentions.setdefault(name, node)
            if place is node or below or not name.isidentifier():
                problem = problem_of_name(name)
                if problem:
                    self._document.complain(place, problem)
            if below:
                self._check_names(below, node)
