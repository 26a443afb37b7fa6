"""The lists of scenarios are whole, and speak of tests that there are."""

from __future__ import annotations

import pytest

from tests.support.catalogue import LIST, NODEPOOL_LIST, TESTS, Row, names_in, read_rows

GATE, NODEPOOL = (tuple(read_rows(path.read_text("utf-8"))) for path in (LIST, NODEPOOL_LIST))


@pytest.mark.parametrize(
    ("rows", "last", "own"),
    [pytest.param(GATE, 157, 300, id="gate"), pytest.param(NODEPOOL, 66, 100, id="nodepool")],
)
def test_every_entry_has_one_row(rows: tuple[Row, ...], last: int, own: int) -> None:
    """`last`: of the contract's catalogue; numbers of our own begin at `own`."""
    entries = [row.entry for row in rows]
    assert entries[:last] == list(range(1, last + 1))
    assert entries[last:] == sorted(set(entries[last:]))
    assert entries[last] >= own


@pytest.mark.parametrize(
    "row",
    [
        *(pytest.param(row, id=str(row.entry)) for row in GATE),
        *(pytest.param(row, id=f"nodepool-{row.entry}") for row in NODEPOOL),
    ],
)
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
