"""Jenkins' exported beans: what `depth=` and `tree=` choose of them.

A bean is a table of properties and a subject they are read from; nothing is read that was not
asked for. As in Jenkins, `depth` counts by visibility: a property shows `visibility` levels deep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class BadTree(ValueError):
    """A `tree=` that cannot be read."""


@dataclass(frozen=True, slots=True)
class Property:
    """How one value is read, and how deep it still shows."""

    read: Callable[[Any], Any]
    visibility: int = 1
    #: shown as deep as its holder
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Bean:
    """One thing to show; `class_name` is what `_class` says, "" for nothing."""

    class_name: str
    table: Mapping[str, Property]
    subject: Any


class Pruner(Protocol):
    def child(self, name: str, one: Property) -> Pruner | None:
        """What prunes below this property; None leaves it out."""
        ...

    def cut(self, rows: list[Any]) -> list[Any]:
        """The asked-for range of a list."""
        ...


@dataclass(frozen=True, slots=True)
class ByDepth:
    level: int = 1

    def child(self, name: str, one: Property) -> Pruner | None:
        if one.visibility < self.level:
            return None
        return self if one.inline else ByDepth(self.level + 1)

    def cut(self, rows: list[Any]) -> list[Any]:
        return rows


@dataclass(slots=True)
class ByName:
    children: dict[str, ByName] = field(default_factory=dict)
    first: int = 0
    last: int | None = None

    def child(self, name: str, one: Property) -> Pruner | None:
        return self.children.get(name) or self.children.get("*")

    def cut(self, rows: list[Any]) -> list[Any]:
        return rows[self.first : self.last]


def pruner_of(query: Mapping[str, str], *, ranges: bool = True) -> Pruner:
    """From the query of a request; without `tree` and `depth` it is depth 0."""
    tree = query.get("tree")
    if tree is not None:
        return _TreeParser(tree, ranges).parsed()
    try:
        depth = int(query.get("depth", "0"))
    except ValueError as error:
        raise BadTree(f"depth: {error}") from error
    return ByDepth(1 - depth)


def shown(value: Any, pruner: Pruner, *, classes: bool = True) -> Any:
    """Plain JSON values of a bean, a list of beans, or a scalar."""
    if isinstance(value, Bean):
        answer: dict[str, Any] = {}
        if classes and value.class_name:
            answer["_class"] = value.class_name
        for name, one in value.table.items():
            below = pruner.child(name, one)
            if below is not None:
                answer[name] = shown(one.read(value.subject), below, classes=classes)
        return answer
    if isinstance(value, list):
        return [shown(row, pruner, classes=classes) for row in pruner.cut(value)]
    return value


class _TreeParser:
    """`a,b[c,d[e]]{m,n}`"""

    def __init__(self, text: str, ranges: bool) -> None:
        self._text = text
        self._at = 0
        self._ranges = ranges

    def parsed(self) -> ByName:
        root = ByName()
        self._names(root)
        if self._at < len(self._text):
            raise BadTree(f"tree: {self._text[self._at]!r} at {self._at} is not expected")
        return root

    def _names(self, parent: ByName) -> None:
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] not in ",[]{}":
                self._at += 1
            name = self._text[start : self._at].strip()
            if name:
                self._one(parent.children.setdefault(name, ByName()))
            if not self._took(","):
                return

    def _one(self, node: ByName) -> None:
        if self._took("["):
            self._names(node)
            if not self._took("]"):
                raise BadTree("tree: a ] is missing")
        if self._took("{"):
            if not self._ranges:
                raise BadTree("tree: { is not expected")
            self._range(node)

    def _range(self, node: ByName) -> None:
        end = self._text.find("}", self._at)
        if end < 0:
            raise BadTree("tree: a } is missing")
        first, comma, last = self._text[self._at : end].partition(",")
        self._at = end + 1
        try:
            node.first = int(first) if first.strip() else 0
            if comma:
                node.last = int(last) if last.strip() else None
            else:
                node.last = node.first + 1
        except ValueError as error:
            raise BadTree(f"tree: a range: {error}") from error

    def _took(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] == character:
            self._at += 1
            return True
        return False
