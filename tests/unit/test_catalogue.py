"""The list of scenarios is whole, and speaks of tests that there are."""

from __future__ import annotations

import pytest

from tests.support.catalogue import LIST, TESTS, Row, names_in, read_rows

#: entries of the contract's catalogue
LAST = 157

ROWS = tuple(read_rows(LIST.read_text("utf-8")))


def test_every_entry_has_one_row() -> None:
    entries = [row.entry for row in ROWS]
    assert entries[:LAST] == list(range(1, LAST + 1))
    assert entries[LAST:] == sorted(set(entries[LAST:]))
    assert entries[LAST] >= 300, "numbers of our own begin at 300"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.entry))
def test_a_row_names_tests_that_there_are(row: Row) -> None:
    assert row.text
    assert row.tests or row.last.startswith("Not wanted: ")
    for path, name in row.tests:
        file = TESTS / path
        assert file.is_file(), path
        assert name in names_in(file), f"{path} has no {name}"


def test_rows_are_read_as_they_are_written() -> None:
    text = (
        ".. list-table::\n\n   * - entry\n     - what\n     - tests\n"
        "   * - 7\n     - some\n       thing. *Here:* other\n"
        "     - | ``unit/test_a.py::test_b``\n       | ``unit/test_a.py::test_c``\n"
        "   * - 8\n     - more\n     - Not wanted: nobody has it\n\nA text.\n"
    )
    assert list(read_rows(text)) == [
        Row(
            7,
            "some thing. *Here:* other",
            (("unit/test_a.py", "test_b"), ("unit/test_a.py", "test_c")),
            "| ``unit/test_a.py::test_b`` | ``unit/test_a.py::test_c``",
        ),
        Row(8, "more", (), "Not wanted: nobody has it"),
    ]
