"""Jenkins' label expressions, as the sandbox's own scheduler reads them.

Operators by falling strength: `!`, `&&`, `||`, `->`, `<->`; parentheses; atoms may be quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from functools import lru_cache

_TOKEN = re.compile(
    r"""\s*(?:(?P<op><->|->|&&|\|\||!|\(|\))|"(?P<quoted>[^"]*)"|(?P<atom>(?:(?!->)[^\s&|!<>()"])+))"""
)

Test = Callable[[Set[str]], bool]


class BadLabelExpression(ValueError):
    """The text is no label expression."""


def matches(expression: str | None, atoms: Set[str]) -> bool:
    """Whether a node with these labels (its own name included) fits. No expression fits all."""
    return not expression or _parsed(expression)(atoms)


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> Test:
    parser = _Parser(expression)
    test = parser.iff()
    if parser.tokens:
        raise BadLabelExpression(f"{parser.tokens[0][1]!r} is not expected in {expression!r}")
    return test


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise BadLabelExpression(f"{text[position:]!r} is not expected in {text!r}")
            kind = found.lastgroup or ""
            self.tokens.append(("op" if kind == "op" else "atom", found[kind]))
            position = found.end()

    def iff(self) -> Test:
        left = self._implies()
        while self._took("<->"):
            left = _iff(left, self._implies())
        return left

    def _implies(self) -> Test:
        left = self._either()
        while self._took("->"):
            left = _either(_negated(left), self._either())
        return left

    def _either(self) -> Test:
        left = self._both()
        while self._took("||"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Test:
        left = self._term()
        while self._took("&&"):
            left = _both(left, self._term())
        return left

    def _term(self) -> Test:
        if self._took("!"):
            return _negated(self._term())
        if self._took("("):
            inner = self.iff()
            if not self._took(")"):
                raise BadLabelExpression("a ) is missing")
            return inner
        if not self.tokens or self.tokens[0][0] != "atom":
            raise BadLabelExpression("a label is missing")
        name = self.tokens.pop(0)[1]
        return lambda atoms: name in atoms

    def _took(self, operator: str) -> bool:
        if self.tokens and self.tokens[0] == ("op", operator):
            self.tokens.pop(0)
            return True
        return False


def _negated(one: Test) -> Test:
    return lambda atoms: not one(atoms)


def _both(one: Test, other: Test) -> Test:
    return lambda atoms: one(atoms) and other(atoms)


def _either(one: Test, other: Test) -> Test:
    return lambda atoms: one(atoms) or other(atoms)


def _iff(one: Test, other: Test) -> Test:
    return lambda atoms: one(atoms) == other(atoms)
