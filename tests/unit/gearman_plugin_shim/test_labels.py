"""Label expressions."""

from __future__ import annotations

import pytest

from gearman_plugin_shim.labels import parse_labels


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("a", "a b", True),
        ("a", "b", False),
        ("!a", "b", True),
        ("!!a", "a", True),
        ("a && b", "a", False),
        ("a&&b", "a b", True),
        ("a || b && c", "a", True),
        ("(a || b) && c", "a", False),
        ("a -> b", "", True),
        ("a -> b", "a", False),
        ("a->b", "a b", True),
        ("a <-> b", "", True),
        ("a <-> b", "b", False),
        ("!a || b", "a b", True),
        ("!(a || b)", "c", True),
        ('"a b" && c', "c", False),
        ("x-1.y_z && u:v", "x-1.y_z u:v", True),
        ("a <-> b -> c", "", False),
        ("größe", "größe", True),
    ],
)
def test_matching(text: str, labels: str, expected: bool) -> None:
    assert parse_labels(text).matches(frozenset(labels.split())) is expected


def test_atoms() -> None:
    assert parse_labels('!a || (b && "c d")').atoms == {"a", "b", "c d"}
    assert parse_labels(r'"a\"b"').atoms == {'a"b'}


@pytest.mark.parametrize(
    "text", ["a &&", "(a", "a b", ")", "&", "!" * 200 + "a", "(" * 5000, "a||" * 5000 + "a", '"a']
)
def test_what_is_no_expression_is_one_atom(text: str) -> None:
    expression = parse_labels(text)
    assert expression.atoms == {text}
    assert expression.matches(frozenset((text,)))
    assert not expression.matches(frozenset("ab"))
