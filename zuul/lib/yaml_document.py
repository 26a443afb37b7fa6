"""A YAML file as a tree of nodes that know their lines, and the list of what is wrong with it.

The nodes are libyaml's own: reading them directly gives every value its place for nothing, and
costs less than loading plain values would. Where a problem stands inside the file
(``pipelines[2].trigger``) is worked out only once there is a problem.

Limits stand here too: such a file is written by a person, and no person needs 100 levels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zuul.lib.problems import ConfigError, Problem

MAX_CHARACTERS = 16 * 2**20
MAX_DEPTH = 100
#: nodes, with every alias counted as often as it is used
MAX_NODES = 1_000_000

_TAG = "tag:yaml.org,2002:"
TEXT, INTEGER, FLAG, NUMBER, NULL, MAP, LIST, MERGE = (
    _TAG + word for word in ("str", "int", "bool", "float", "null", "map", "seq", "merge")
)
_WORDS = {
    TEXT: "text",
    INTEGER: "a number",
    NUMBER: "a number",
    FLAG: "true or false",
    NULL: "nothing",
    MAP: "a map",
    LIST: "a list",
    _TAG + "timestamp": "a date",
}
_SCALARS = SafeConstructor()
_FLAGS = {
    spelling: flag
    for word, flag in SafeConstructor.bool_values.items()
    for spelling in (word, word.capitalize(), word.upper())
}
_QUOTED = re.compile(r"[+-]?[0-9]{1,9}")
#: what may be an anchor; an ampersand inside a word or on its own is none
_ANCHOR = re.compile(r"(?<!\w)&\S")


class _Composer(yaml.CSafeLoader):
    """Builds nodes; libyaml calls the two hooks on the way into and out of each node."""

    depth = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = parent.start_mark if parent is not None else None
            raise yaml.MarkedYAMLError(
                problem=f"is nested more than {MAX_DEPTH} levels deep", problem_mark=mark
            )

    def ascend_resolver(self) -> None:
        self.depth -= 1


class Document:
    """One file and its problems; readers complain about nodes and go on."""

    def __init__(self, text: str, source: str) -> None:
        """Raises ConfigError if the text is no YAML document within the limits."""
        self.source = source
        self._complaints: list[tuple[Node, str, str]] = []
        self._warnings: list[tuple[Node, str, str]] = []
        self._foreign: list[Problem] = []
        self.root = self._compose(text)
        if _ANCHOR.search(text):
            self._refuse_bombs()

    # -- problems ------------------------------------------------------------------------------

    def complain(self, node: Node, text: str, key: str = "") -> None:
        """Something is wrong with the node, or with (the lack of) its `key`."""
        self._complaints.append((node, key, text))

    def warn(self, node: Node, text: str, key: str = "") -> None:
        self._warnings.append((node, key, text))

    def add(self, problem: Problem) -> None:
        """A problem of another file that this one includes."""
        self._foreign.append(problem)

    def line(self, node: Node) -> int:
        line: int = node.start_mark.line
        return line + 1

    @property
    def sound(self) -> bool:
        return not self._complaints and not self._foreign

    def problems(self) -> list[Problem]:
        return sorted({*self._located(self._complaints), *self._foreign})

    def warnings(self) -> list[Problem]:
        return sorted(set(self._located(self._warnings)))

    # -- values --------------------------------------------------------------------------------

    def text(self, node: Node) -> str | None:
        if node.tag == TEXT and isinstance(node, ScalarNode):
            value: str = node.value
            return value
        self._mistyped(node, "text")
        return None

    def integer(self, node: Node) -> int | None:
        if node.tag == INTEGER and isinstance(node, ScalarNode):
            try:
                number: int = _SCALARS.construct_yaml_int(node)
            except (ValueError, IndexError):
                self._mistyped(node, "a whole number")
                return None
            return number
        if isinstance(node, ScalarNode) and node.tag == TEXT and _QUOTED.fullmatch(node.value):
            self.warn(node, "is a number in quotes; it is read as a number")
            return int(node.value)
        self._mistyped(node, "a whole number")
        return None

    def number(self, node: Node) -> float | None:
        """A number with or without a fraction."""
        if node.tag == INTEGER or (node.tag == TEXT and _QUOTED.fullmatch(node.value)):
            return self.integer(node)
        if node.tag != NUMBER or not isinstance(node, ScalarNode):
            self._mistyped(node, "a number")
            return None
        value = self._number(node)
        if value is not None and not math.isfinite(value):
            self._mistyped(node, "a finite number")
            return None
        return value

    def flag(self, node: Node) -> bool | None:
        if node.tag == FLAG and node.value in _FLAGS:
            return _FLAGS[node.value]
        self._mistyped(node, "true or false")
        return None

    def plain(self, node: Node) -> Any:
        """A value whose shape is not ours to judge, as plain data."""
        if isinstance(node, SequenceNode):
            return [self.plain(item) for item in self.sequence(node)]
        if isinstance(node, MappingNode):
            return {key: self.plain(value) for key, (_, value) in self.fields(node).items()}
        if node.tag == INTEGER:
            return self.integer(node)
        if node.tag == FLAG:
            return self.flag(node)
        if node.tag == NUMBER and isinstance(node, ScalarNode):
            return self._number(node)
        return self.text(node)

    def _number(self, node: ScalarNode) -> float | None:
        try:
            number: float = _SCALARS.construct_yaml_float(node)
        except ValueError:
            self._mistyped(node, "a number")
            return None
        return number

    def sequence(self, node: Node, of: str = "a list") -> list[Node]:
        if node.tag == LIST and isinstance(node, SequenceNode):
            items: list[Node] = node.value
            return items
        self._mistyped(node, of)
        return []

    def one_or_more(self, node: Node) -> list[Node]:
        """The elements of a list, or the one value that stands in its place."""
        if isinstance(node, SequenceNode):
            return self.sequence(node)
        return [node]

    def fields(self, node: Node, of: str = "a map") -> dict[str, tuple[Node, Node]]:
        """(key, value) nodes by key; keys given twice are problems, merge keys are followed."""
        if node.tag != MAP or not isinstance(node, MappingNode):
            self._mistyped(node, of)
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if key.tag == MERGE:
                merged.extend(self.one_or_more(value))
            elif self.text(key) is None:
                continue
            elif key.value in found:
                first = self.line(found[key.value][0])
                self.complain(key, f"is given twice; the first stands in line {first}")
            else:
                found[key.value] = (key, value)
        for other in merged:
            for name, pair in self.fields(other).items():
                found.setdefault(name, pair)
        return found

    def _mistyped(self, node: Node, expected: str) -> None:
        if node.tag == NULL:
            self.complain(node, f"has no value; expected {expected}")
            return
        found = _WORDS.get(node.tag, f"the tag {node.tag}")
        hint = "; put it in quotes" if expected == "text" and isinstance(node, ScalarNode) else ""
        if node.tag not in _WORDS:
            hint = ""
        self.complain(node, f"expected {expected}, not {found}{hint}")

    # -- composing -----------------------------------------------------------------------------

    def _compose(self, text: str) -> Node:
        if len(text) > MAX_CHARACTERS:
            self._refuse(0, f"is longer than {MAX_CHARACTERS} characters")
        try:
            composer = _Composer(text)
            try:
                node: Node | None = composer.get_single_node()
            finally:
                composer.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            words = filter(None, (error.context, error.problem))
            self._refuse(mark.line + 1 if mark else 0, ": ".join(words))
        except (yaml.YAMLError, UnicodeError) as error:
            self._refuse(0, f"is not YAML: {error}")
        if node is None:
            self._refuse(0, "is empty")
        return node

    def _refuse(self, line: int, text: str) -> NoReturn:
        raise ConfigError([Problem(self.source, line, "", text)])

    def _refuse_bombs(self) -> None:
        """Aliases make a tree out of few lines that is huge, or that contains itself."""
        sizes: dict[int, int] = {}
        open_nodes: set[int] = set()
        stack: list[Node] = [self.root]
        while stack:
            node = stack[-1]
            children = [child for _, child in _children(node)]
            fresh = [child for child in children if id(child) not in sizes]
            if id(node) in sizes:
                stack.pop()
            elif not fresh:
                size = 1 + sum(sizes[id(child)] for child in children)
                if size > MAX_NODES:
                    self._refuse(self.line(node), f"aliases expand to more than {MAX_NODES} values")
                sizes[id(node)] = size
                open_nodes.discard(id(node))
                stack.pop()
            else:
                open_nodes.add(id(node))
                if any(id(child) in open_nodes for child in fresh):
                    self._refuse(self.line(node), "an alias makes this value contain itself")
                stack.extend(fresh)

    def _located(self, complaints: list[tuple[Node, str, str]]) -> Iterator[Problem]:
        if not complaints:
            return
        paths = self._paths()
        for node, key, text in complaints:
            path = ".".join(filter(None, (paths.get(id(node), ""), key)))
            yield Problem(self.source, self.line(node), path, text)

    def _paths(self) -> dict[int, str]:
        """Path by node; of a value that aliases repeat, the place where it is written out."""
        paths: dict[int, str] = {}
        stack: list[tuple[Node, str]] = [(self.root, "")]
        while stack:
            node, here = stack.pop()
            if id(node) in paths:
                continue
            paths[id(node)] = here
            for step, child in reversed(list(_children(node))):
                separator = "" if step.startswith("[") or not here else "."
                stack.append((child, f"{here}{separator}{step}"))
        return paths


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield f"[{index}]", item
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            step = str(key.value) if isinstance(key, ScalarNode) else "?"
            yield step, key
            yield step, value
