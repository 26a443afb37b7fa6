"""Job trees as written: contract zuul.md 2.8.

A Sprout is one level: job name -> the level below it. The same name twice on one level is one
node, so levels are simply merged; the order of first mention is the order of the tree.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from yaml.nodes import MappingNode, Node

from zuul.lib.yaml_document import Document

Sprout: TypeAlias = dict[str, "Sprout"]

_ORDINARY = re.compile(r"[0-9A-Za-z_][!-~]*")


def read_tree(document: Document, node: Node, into: Sprout, mentions: dict[str, Node]) -> None:
    """Merge the list of jobs at `node` into a level; `mentions` gets where a name stands."""
    for item in document.sequence(node, "a list of jobs (one job is written as `- job`)"):
        if isinstance(item, MappingNode):
            for name, (key, below) in document.fields(item).items():
                mentions.setdefault(name, key)
                read_tree(document, below, into.setdefault(name, {}), mentions)
        else:
            word = document.text(item)
            if word is not None:
                mentions.setdefault(word, item)
                into.setdefault(word, {})


def merge_tree(level: Sprout, into: Sprout) -> None:
    for name, below in level.items():
        merge_tree(below, into.setdefault(name, {}))


def problem_of_name(name: str) -> str | None:
    """Why a word cannot be the name of a job that runs."""
    if _ORDINARY.fullmatch(name):
        return None
    if not name:
        return "a job's name is empty"
    if name.startswith("^"):
        return "a regular expression cannot stand in a job tree"
    if any(character.isspace() for character in name):
        return f"a job's name has no white space in it: {name!r}"
    if not name.isprintable():
        return f"a job's name has no control characters in it: {name!r}"
    return None
