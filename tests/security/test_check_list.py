"""The page of the check-list names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "doc" / "source" / "developer" / "security.rst"
NAMED = sorted(set(re.findall(r"``(tests/[\w/]+\.py(?:::\w+)*)``", PAGE.read_text("utf-8"))))


def definitions(tree: ast.AST) -> set[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    path, *parts = name.split("::")
    assert (ROOT / path).is_file()
    assert set(parts) <= definitions(ast.parse((ROOT / path).read_text("utf-8")))


def test_every_line_of_the_list_is_there() -> None:
    numbers = re.findall(r"^   \* - (\d+)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {int(number) for number in numbers} == set(range(1, 15))
    assert len(NAMED) > 40
