"""Project templates and their expansion: contract zuul.md 2.8."""

from __future__ import annotations

import re
import string
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.layout.trees import Sprout, read_tree
from zuul.lib.yaml_fields import Fields

#: given without asking: the last part of the project's name
NAME = "name"
_PARAMETER = re.compile(r"[^\W\d][\w-]*")


@dataclass(slots=True)
class Template:
    """One project-template; its trees still have {parameters} in them."""

    name: str
    trees: dict[str, Sprout] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    #: False if it has problems already told
    sound: bool = True


def read_templates(
    context: Context, nodes: list[Node], pipelines: Container[str]
) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    for node in nodes:
        fields = Fields(context.document, node, "a project template, which is a map")
        template = _read_template(context, fields, pipelines)
        if template.name in templates:
            context.document.complain(
                node, f"another project template is named {template.name!r}", "name"
            )
        elif template.name:
            templates[template.name] = template
    return templates


def _read_template(context: Context, fields: Fields, pipelines: Container[str]) -> Template:
    template = Template(fields.require_name())
    for pipeline, (key, value) in fields.rest().items():
        if pipeline not in pipelines:
            context.document.complain(key, f"there is no pipeline {pipeline!r}")
            continue
        mentions: dict[str, Node] = {}
        read_tree(context.document, value, template.trees.setdefault(pipeline, {}), mentions)
        for name, node in mentions.items():
            try:
                template.parameters |= _parameters_of(name)
            except ValueError as error:
                context.document.complain(node, str(error))
                template.sound = False
    return template


def _parameters_of(text: str) -> set[str]:
    """The {parameters} of a text. Raises ValueError with what is wrong with its braces."""
    found: set[str] = set()
    if "{" not in text and "}" not in text:
        return found
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        if not _PARAMETER.fullmatch(name) or form or conversion:
            raise ValueError(f"expected a parameter like {{name}} in {text!r}")
        found.add(name)
    return found


def expand_template(template: Template, given: Mapping[str, str], into: dict[str, Sprout]) -> None:
    """Merge the template's trees with the parameters filled in into a project's trees."""
    for pipeline, tree in template.trees.items():
        _expand(tree, given, into.setdefault(pipeline, {}))


def _expand(tree: Sprout, given: Mapping[str, str], into: Sprout) -> None:
    for text, below in tree.items():
        name = text.format_map(given) if "{" in text or "}" in text else text
        level = into.setdefault(name, {})
        if below:
            _expand(below, given, level)
