"""Up to when each connection was heard."""

from pathlib import Path

import pytest

from zuul.daemon.heard import FILE_NAME, HeardKeeper, read_heard


def keep(folder: Path, heard: dict[str, float | None]) -> None:
    HeardKeeper(folder, lambda: heard).write()


def test_the_next_run_knows_what_the_last_one_heard(tmp_path: Path) -> None:
    keep(tmp_path, {"gerrit": 1000.5, "quiet": None})
    assert read_heard(tmp_path, 1060.0) == {"gerrit": 1000.5}


def test_history_and_the_future_are_of_no_use(tmp_path: Path) -> None:
    keep(tmp_path, {"old": 1.0, "wrong clock": 500_000.0, "gerrit": 99_000.0})
    assert read_heard(tmp_path, 100_000.0) == {"gerrit": 99_000.0}


def test_no_file_is_nothing_heard(tmp_path: Path) -> None:
    assert read_heard(tmp_path, 1.0) == {}


@pytest.mark.parametrize(
    "text",
    [
        *("", "junk", "[]", '{"gerrit": "soon"}', '{"gerrit": null}'),
        '{"gerrit": 1' + "0" * 400 + "}",
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_and_costs_no_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    assert read_heard(tmp_path, 1.0) == {}
    assert FILE_NAME in caplog.text


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    keeper = HeardKeeper(tmp_path, lambda: {"gerrit": 5.0})
    keeper.write()
    (tmp_path / FILE_NAME).unlink()
    keeper.write()
    assert list(tmp_path.iterdir()) == []
