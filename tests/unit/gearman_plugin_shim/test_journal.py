"""The journal: what is written is read again, privately kept, and pruned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gearman_plugin_shim.errors import JournalError
from gearman_plugin_shim.journal import Journal, Row
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret


@pytest.fixture
def uri(tmp_path: Path) -> Secret:
    return Secret(f"sqlite:///{tmp_path / 'state' / 'journal.sqlite'}")


@pytest.fixture
def journal(uri: Secret) -> Iterator[Journal]:
    opened = Journal(uri)
    yield opened
    opened.close()


def test_a_row_comes_back_as_it_was(journal: Journal) -> None:
    row = Row("u1", "m1", {"job": "fol der/ünit", "number": None, "labels": ["a"]}, 12.5)
    journal.write([row])
    assert journal.read() == [row]


def test_a_later_row_takes_the_place_of_the_first(journal: Journal) -> None:
    journal.write([Row("u1", "m1", {"n": 1}), Row("u1", "m1", {"n": 2})])
    journal.write([Row("u1", "m2", {"n": 3})])
    assert journal.read() == [Row("u1", "m2", {"n": 3})]


def test_only_what_ended_long_ago_is_pruned(journal: Journal) -> None:
    journal.write([Row("old", "m", {}, 5.0), Row("new", "m", {}, 50.0), Row("open", "m", {})])
    assert journal.prune(10.0) == 1
    assert {row.uuid for row in journal.read()} == {"new", "open"}


def test_another_journal_on_the_same_file_sees_what_was_committed(
    journal: Journal, uri: Secret
) -> None:
    journal.write([Row("u1", "m1", {})])
    other = Journal(uri)
    assert [row.uuid for row in other.read()] == ["u1"]
    other.close()


def test_files_are_for_their_owner_alone(journal: Journal, tmp_path: Path) -> None:
    journal.write([Row("u1", "m1", {})])
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "state").iterdir()}
    assert modes == {0o600}


def test_every_commit_reaches_the_disk(journal: Journal) -> None:
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_row_that_is_broken_costs_only_itself(journal: Journal) -> None:
    journal.write([Row("u1", "m1", {}), Row("u2", "m1", {})])
    with journal._engine.begin() as connection:
        connection.execute(sa.text("UPDATE shim_build SET state = '[' WHERE uuid = 'u1'"))
    assert [row.uuid for row in journal.read()] == ["u2"]


def test_a_journal_of_the_future_is_refused(journal: Journal, uri: Secret) -> None:
    with journal._engine.begin() as connection:
        connection.execute(sa.text("UPDATE shim_schema SET version = 99"))
    with pytest.raises(JournalError, match="schema 99"):
        Journal(uri)


def test_errors_keep_the_password_and_the_rows_to_themselves(tmp_path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        Journal(Secret("nonsense://u:pa55@h/d"))
    assert "pa55" not in str(caught.value)
    (tmp_path / "file").touch(0o600)
    (tmp_path / "file").write_text("this is no database, and long enough to be looked at" * 100)
    with pytest.raises(JournalError):
        Journal(Secret(f"sqlite:///{tmp_path / 'file'}"))


def test_a_journal_that_others_could_have_changed_is_refused(tmp_path: Path) -> None:
    uri = Secret(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    Journal(uri).close()
    (tmp_path / "journal.sqlite").chmod(0o620)
    with pytest.raises(ConfigError, match="chmod go-w"):
        Journal(uri)
