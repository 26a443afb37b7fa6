"""What the readers of nodepool.yaml's parts share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from yaml.nodes import Node, ScalarNode

from nodepool import naming
from zuul.lib.yaml_document import FLAG, INTEGER, NUMBER, Document
from zuul.lib.yaml_fields import Fields

T = TypeVar("T")

#: a script's name ends in a command line on the node
_SCRIPT = re.compile(r"[A-Za-z0-9_][\w.+-]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def word_of(document: Document, node: Node) -> str | None:
    """A text; numbers and flags count as they are written (`release: 23`)."""
    if isinstance(node, ScalarNode) and node.tag in (INTEGER, NUMBER, FLAG):
        value: str = node.value
        return value
    return document.text(node)


def word(fields: Fields, key: str, default: T) -> str | T:
    node = fields.take(key)
    value = None if node is None else word_of(fields.document, node)
    return default if value is None else value


def require_name(fields: Fields, key: str = "name") -> str:
    """A name that may stand in the database, in statsd keys and in logs; or "" and a problem."""
    node = fields.take(key)
    if node is None:
        fields.missing(key)
        return ""
    name = word_of(fields.document, node)
    if name is None:
        return ""
    if not name or len(name) > naming.MAX_NAME or _CONTROL.search(name):
        text = f"expected 1 to {naming.MAX_NAME} characters without control characters"
        fields.document.complain(node, text)
        return ""
    return name


def require_integer(fields: Fields, key: str, *, least: int) -> int:
    if key not in fields:
        fields.missing(key)
    return fields.integer(key, 0, least=least)


def script(fields: Fields, key: str) -> str | None:
    node = fields.take(key)
    name = None if node is None else fields.document.text(node)
    if node is None or name is None:
        return None
    if not _SCRIPT.fullmatch(name):
        fields.document.complain(node, f"expected the name of a file in script-dir, not {name!r}")
        return None
    return name


def template(fields: Fields, key: str, default: str, known: Iterable[str]) -> str:
    node = fields.take(key)
    text = None if node is None else fields.document.text(node)
    if node is None or text is None:
        return default
    fault = naming.find_fault(text, known)
    if fault is not None:
        fields.document.complain(node, fault)
        return default
    return text


def words(fields: Fields, key: str) -> tuple[str, ...]:
    node = fields.take(key)
    if node is None:
        return ()
    document = fields.document
    found = (word_of(document, item) for item in document.one_or_more(node))
    return tuple(item for item in found if item is not None)


def pairs(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    """A map of words to words, in the file's order."""
    node = fields.take(key)
    if node is None:
        return ()
    document = fields.document
    found = ((name, word_of(document, value)) for name, (_, value) in document.fields(node).items())
    return tuple((name, value) for name, value in found if value is not None)


def named(
    parent: Fields, key: str, read: Callable[[Fields, str], T]
) -> tuple[dict[str, T], dict[str, Node]]:
    """The maps of a list by their name, and their nodes; what comes twice is a problem."""
    found: dict[str, T] = {}
    nodes: dict[str, Node] = {}
    for fields in maps(parent, key):
        name = require_name(fields)
        value = read(fields, name)
        fields.pass_over_rest()
        if name in found:
            line = fields.document.line(nodes[name])
            fields.document.complain(fields.node, f"{name!r} stands in line {line} already", "name")
        elif name:
            found[name], nodes[name] = value, fields.node
    return found, nodes


def maps(parent: Fields, key: str) -> Iterator[Fields]:
    """The maps of a list; a key without a value is an empty list."""
    node = parent.take(key)
    if node is None or is_nothing(node):
        return
    for item in parent.document.sequence(node):
        yield Fields(parent.document, item)


def is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag.endswith(":null")
