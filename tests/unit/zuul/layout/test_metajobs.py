"""Which names each expression matches, without asking each of each."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zuul.layout.metajobs import match_names
from zuul.lib.patterns import Pattern

NAMES = st.text(alphabet="ab-.", min_size=1, max_size=6)
PIECES = st.sampled_from(
    ["a", "b", "-", r"\.", ".", ".*", "a*", "b?", "(a|b)", "(?!a)", "[ab]", "(a|b-)+", "a{2}", "$"]
)
EXPRESSIONS = st.lists(PIECES, max_size=5).map(lambda pieces: "^" + "".join(pieces))


@given(st.lists(EXPRESSIONS, max_size=4), st.lists(NAMES, max_size=12, unique=True))
def test_finds_what_asking_each_of_each_finds(patterns: list[str], names: list[str]) -> None:
    matched = match_names([Pattern(text) for text in patterns], names)
    assert matched == {
        name: found
        for name in names
        if (found := [at for at, text in enumerate(patterns) if re.match(text, name)])
    }


def test_alternatives_outside_a_group_promise_nothing() -> None:
    assert match_names([Pattern("^ab|b$")], ["b", "ab", "c"]) == {"b": [0], "ab": [0]}


def test_expressions_that_ignore_case() -> None:
    assert match_names([Pattern("(?i)^GATE-.*-X$")], ["gate-a-x"]) == {"gate-a-x": [0]}
