"""What every reader of a layout shares: the document, the connections, the compiled patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from yaml.nodes import Node

from zuul.lib.patterns import Pattern, PatternError
from zuul.lib.yaml_document import Document
from zuul.lib.yaml_fields import Fields


class Context:
    """Of one load."""

    def __init__(
        self, document: Document, connections: Mapping[str, str] | None, base: Path | None
    ) -> None:
        self.document = document
        #: driver by connection name; None: any name will do
        self.connections = connections
        #: folder that relative paths of included files start from
        self.base = base
        self._patterns: dict[str, Pattern] = {}

    def pattern(self, node: Node) -> Pattern | None:
        """The node's regular expression; equal texts share one pattern and so its last answer."""
        text = self.document.text(node)
        return None if text is None else self.compile(text, node)

    def compile(self, text: str, node: Node) -> Pattern | None:
        known = self._patterns.get(text)
        if known is not None:
            return known
        try:
            pattern = Pattern(text, f"{self.document.source}:{self.document.line(node)}")
        except PatternError as error:
            self.document.complain(node, str(error))
            return None
        self._patterns[text] = pattern
        return pattern

    def patterns(self, fields: Fields, *keys: str) -> tuple[Pattern, ...]:
        """One pattern or a list of them, under the first of the keys that has any."""
        found: tuple[Pattern, ...] = ()
        for key in keys:
            node = fields.take(key)
            if node is None:
                continue
            if key != keys[0]:
                self.document.warn(node, f"is the old spelling of {keys[0]}")
            values = map(self.pattern, self.document.one_or_more(node))
            found = found or tuple(value for value in values if value is not None)
        return found

    def one_pattern(self, fields: Fields, *keys: str) -> Pattern | None:
        found: Pattern | None = None
        for key in keys:
            node = fields.take(key)
            if node is None:
                continue
            if key != keys[0]:
                self.document.warn(node, f"is the old spelling of {keys[0]}")
            found = found or self.pattern(node)
        return found

    def check_connection(
        self, name: str, node: Node, drivers: Iterable[str], key: str = ""
    ) -> str | None:
        """The driver of the connection, if known; one that is missing or unfit is a problem."""
        if self.connections is None:
            return None
        driver = self.connections.get(name)
        if driver is None:
            self.document.complain(node, f"there is no connection {name!r} in zuul.conf", key)
        elif driver not in drivers:
            self.document.complain(node, f"a connection of the driver {driver} cannot do this", key)
        return driver
