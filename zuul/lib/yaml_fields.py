"""Fields: typed reads from one map of a Document.

A read never fails: a bad value leaves a problem and gives the default, so that one pass over a
file finds everything that is wrong with it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from yaml.nodes import MappingNode, Node

from zuul.lib.yaml_document import Document

T = TypeVar("T")


class Fields:
    """Reads one map; knows which keys nobody asked for."""

    def __init__(self, document: Document, node: Node, of: str = "a map") -> None:
        self.document = document
        self.node = node
        self._entries = document.fields(node, of)
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def take(self, key: str) -> Node | None:
        self._asked.add(key)
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def all(self) -> dict[str, tuple[Node, Node]]:
        """All (key, value) nodes; asks for none."""
        return dict(self._entries)

    def rest(self) -> dict[str, tuple[Node, Node]]:
        """The (key, value) nodes not asked for by name, which the caller now answers for."""
        rest = {key: pair for key, pair in self._entries.items() if key not in self._asked}
        self._asked.update(rest)
        return rest

    def finish(self) -> None:
        """Every key that nobody asked for is a problem."""
        for key, (node, _) in self._entries.items():
            if key not in self._asked:
                self.document.complain(node, f"is not a known key{_hint(key, self._asked)}")

    def pass_over_rest(self) -> None:
        """Every key that nobody asked for gives a warning; files of other versions have such."""
        for key, (node, _) in self._entries.items():
            if key not in self._asked:
                hint = _hint(key, self._asked)
                self.document.warn(node, f"is not a known key and is passed over{hint}")

    def missing(self, key: str) -> None:
        if isinstance(self.node, MappingNode):
            self.document.complain(self.node, "is required", key)

    def text(self, key: str, default: T) -> str | T:
        node = self.take(key)
        value = None if node is None else self.document.text(node)
        return default if value is None else value

    def require_text(self, key: str) -> str:
        """The text, or "" and a problem."""
        node = self.take(key)
        if node is None:
            self.missing(key)
            return ""
        value = self.document.text(node)
        if value == "":
            self.document.complain(node, "is empty")
        return value or ""

    def require_name(self) -> str:
        """The text under `name`, which stands in log lines and figures; or "" and a problem."""
        name = self.require_text("name")
        if not name.isprintable():
            self.document.complain(self.node, f"has control characters: {name!r}", "name")
        return name

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of them."""
        node = self.take(key)
        if node is None:
            return ()
        values = (self.document.text(item) for item in self.document.one_or_more(node))
        return tuple(value for value in values if value is not None)

    def flag(self, key: str, default: T) -> bool | T:
        node = self.take(key)
        value = None if node is None else self.document.flag(node)
        return default if value is None else value

    def integer(self, key: str, default: T, *, least: int = 0, most: int = 2**31 - 1) -> int | T:
        node = self.take(key)
        value = None if node is None else self.document.integer(node)
        if node is None or value is None:
            return default
        if not least <= value <= most:
            self.document.complain(node, f"expected {least} or more, not {value}")
            return default
        return value

    def number(self, key: str, default: T, *, least: float = 0, most: float = 1e9) -> float | T:
        node = self.take(key)
        value = None if node is None else self.document.number(node)
        if node is None or value is None:
            return default
        if not least <= value <= most:
            self.document.complain(node, f"expected {least:g} to {most:g}, not {value:g}")
            return default
        return value

    def choice(self, key: str, choices: Mapping[str, T], default: T) -> T:
        """What the word stands for; without the key, the default."""
        node = self.take(key)
        value = None if node is None else self.document.text(node)
        if node is None or value is None:
            return default
        if value not in choices:
            words = ", ".join(sorted(choices))
            self.document.complain(node, f"expected one of {words}, not {value!r}")
            return default
        return choices[value]

    def maps(self, key: str) -> list[Fields]:
        """A list of maps, or the one map that stands in its place."""
        node = self.take(key)
        if node is None:
            return []
        return [Fields(self.document, item) for item in self.document.one_or_more(node)]


def _hint(key: str, known: set[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
