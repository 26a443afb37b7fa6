"""The lists of scenarios, of the gate and of nodepool, in doc/source/developer, as data.

`python -m tests.support.catalogue` prints the tests of the gate that have an entry's number in
their name and are not in its row, and those in a row that are no more.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
_DOC = TESTS.parent / "doc" / "source" / "developer"
LIST, NODEPOOL_LIST = _DOC / "scenarios.rst", _DOC / "nodepool-scenarios.rst"

_ROW = re.compile(r"^   \* - ", re.MULTILINE)
_CELL = re.compile(r"^     - ", re.MULTILINE)
_TEST = re.compile(r"``([\w/.]+)::(\w+)``")
_NUMBERS = re.compile(r"test_((?:\d{1,3}_)+)")
#: packages that number the scenarios of other contracts
_OTHERS = ("gearman_plugin_shim", "nodepool")


class Row(NamedTuple):
    entry: int
    #: what it is about, and what is different here
    text: str
    #: (path from tests/, name)
    tests: tuple[tuple[str, str], ...]
    #: the whole last cell: tests, or the reason why there are none
    last: str


def read_rows(text: str) -> Iterator[Row]:
    """The rows of all tables, in their order."""
    for chunk in _ROW.split(text)[1:]:
        entry, *cells = _CELL.split(chunk.split("\n\n")[0])
        if entry.strip() == "entry":
            continue
        assert len(cells) == 2, f"entry {entry.strip()} has {len(cells) + 1} cells, not 3"
        tests = tuple((path, name) for path, name in _TEST.findall(cells[1]))
        yield Row(int(entry), " ".join(cells[0].split()), tests, " ".join(cells[1].split()))


@lru_cache(maxsize=512)
def names_in(path: Path) -> frozenset[str]:
    """The tests of a file."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def numbered_tests() -> Iterator[tuple[int, str, str]]:
    """(entry, path, name) of each test that says in its name what it is of."""
    for path in sorted(TESTS.rglob("test_*.py")):
        relative = path.relative_to(TESTS).as_posix()
        if any(other in relative for other in _OTHERS):
            continue
        for name in sorted(names_in(path)):
            found = _NUMBERS.match(name)
            for number in re.findall(r"\d+", found[1]) if found else ():
                yield int(number), relative, name


def main() -> int:
    rows = {row.entry: set(row.tests) for row in read_rows(LIST.read_text("utf-8"))}
    missing = [each for each in numbered_tests() if each[1:] not in rows.get(each[0], ())]
    gone = [
        (entry, path, name)
        for entry, tests in rows.items()
        for path, name in sorted(tests)
        if not (TESTS / path).is_file() or name not in names_in(TESTS / path)
    ]
    for entry, path, name in missing:
        print(f"{entry}: add ``{path}::{name}``")
    for entry, path, name in gone:
        print(f"{entry}: remove ``{path}::{name}``")
    return 1 if missing or gone else 0


if __name__ == "__main__":
    sys.exit(main())
