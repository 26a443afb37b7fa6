"""Label expressions, as Jenkins reads them: ! && || -> <-> and parentheses over atoms.

From loose to tight: <->, ->, ||, &&, !. All binary operators associate to the left. What cannot be
parsed is one atom as a whole, which is what Jenkins makes of it, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<operator><->|->|\|\||&&|!|\(|\))"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*)"'
    r"|(?P<atom>(?:(?!->)[^\s&|!<>()\"])+))"
)
_ESCAPE: Final = re.compile(r"\\(.)")
_MAX_LENGTH: Final = 10_000
_MAX_DEPTH: Final = 50

Test = Callable[[frozenset[str]], bool]


@dataclass(frozen=True, slots=True)
class LabelExpression:
    """Which nodes will do."""

    #: every label it mentions
    atoms: frozenset[str]
    _test: Test

    def matches(self, labels: frozenset[str]) -> bool:
        """Whether a node with these labels will do."""
        return self._test(labels)


@lru_cache(maxsize=4096)
def parse_labels(text: str) -> LabelExpression:
    """The expression; one atom if it is none."""
    try:
        return _Parser(text).parse()
    except _NotAnExpression:
        atom = text.strip()
        return LabelExpression(frozenset((atom,)), _has(atom))


class _NotAnExpression(Exception):
    pass


def _has(atom: str) -> Test:
    return lambda labels: atom in labels


def _negated(test: Test) -> Test:
    return lambda labels: not test(labels)


def _joined(operator: str, left: Test, right: Test) -> Test:
    joints: dict[str, Test] = {
        "<->": lambda labels: left(labels) == right(labels),
        "->": lambda labels: not left(labels) or right(labels),
        "||": lambda labels: left(labels) or right(labels),
        "&&": lambda labels: left(labels) and right(labels),
    }
    return joints[operator]


class _Parser:
    """Recursive descent over tokens; (None, atom) or (operator, "")."""

    BINARY: Final = ("<->", "->", "||", "&&")

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0
        self.operations = 0
        self.atoms: set[str] = set()

    def parse(self) -> LabelExpression:
        test = self.binary(0)
        if self.place != len(self.tokens):
            raise _NotAnExpression
        return LabelExpression(frozenset(self.atoms), test)

    def binary(self, level: int) -> Test:
        if level == len(self.BINARY):
            return self.unary()
        test = self.binary(level + 1)
        while self.accept(self.BINARY[level]):
            self.operations += 1
            if self.operations > 4 * _MAX_DEPTH:
                # Each is a call inside a call when nodes are matched.
                raise _NotAnExpression
            test = _joined(self.BINARY[level], test, self.binary(level + 1))
        return test

    def unary(self) -> Test:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _NotAnExpression
        try:
            if self.accept("!"):
                return _negated(self.unary())
            if self.accept("("):
                test = self.binary(0)
                if not self.accept(")"):
                    raise _NotAnExpression
                return test
            return self.atom()
        finally:
            self.depth -= 1

    def atom(self) -> Test:
        if self.place == len(self.tokens) or self.tokens[self.place][0] is not None:
            raise _NotAnExpression
        atom = self.tokens[self.place][1]
        self.place += 1
        self.atoms.add(atom)
        return _has(atom)

    def accept(self, operator: str) -> bool:
        found = self.place < len(self.tokens) and self.tokens[self.place][0] == operator
        self.place += found
        return found


def _tokens(text: str) -> list[tuple[str | None, str]]:
    if len(text) > _MAX_LENGTH:
        raise _NotAnExpression
    tokens: list[tuple[str | None, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise _NotAnExpression
        place = match.end()
        if match["operator"]:
            tokens.append((match["operator"], ""))
        elif match["atom"]:
            tokens.append((None, match["atom"]))
        else:
            tokens.append((None, _ESCAPE.sub(r"\1", match["quoted"])))
    return tokens
