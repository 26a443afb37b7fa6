"""Build times: estimates, and the file format that sites have."""

import struct
from pathlib import Path

import pytest

from zuul.daemon.times import JobTimes, TimeDatabase


def test_154_the_estimate_is_the_mean_of_the_stored_successes() -> None:
    times = JobTimes()
    assert times.estimate_seconds() is None
    times.add(50, "SUCCESS")
    assert times.estimate_seconds() == 50
    times.add(100, "SUCCESS")
    assert times.estimate_seconds() == 75
    for _ in range(10):
        times.add(100, "SUCCESS")
    assert times.estimate_seconds() == 100


def test_failures_are_kept_apart() -> None:
    times = JobTimes()
    times.add(10, "SUCCESS")
    times.add(1000, "FAILURE")
    assert times.estimate_seconds() == 10


def test_a_duration_longer_than_the_format_can_hold_is_stored_as_the_longest() -> None:
    times = JobTimes()
    times.add(1_000_000, "SUCCESS")
    assert JobTimes.unpack(times.pack()).estimate_seconds() == 65535


def test_154_packed_times_are_52_bytes_and_come_back_the_same() -> None:
    times = JobTimes()
    for seconds in range(1, 13):
        times.add(seconds, "SUCCESS" if seconds % 2 else "FAILURE")
    assert len(times.pack()) == 52
    assert JobTimes.unpack(times.pack()) == times


def test_unpacking_anything_else_fails() -> None:
    with pytest.raises(struct.error):
        JobTimes.unpack(b"short")


def test_times_survive_a_restart_whatever_the_job_is_called(tmp_path: Path) -> None:
    names = ["unit", "folder/unit", "../escape", "ünïcode", ".hidden"]
    database = TimeDatabase(tmp_path / "times")
    database.start()
    for name in names:
        database.record(name, 42, "SUCCESS")
    database.stop()
    assert sorted(path.parent for path in tmp_path.rglob("*") if path.is_file()) == [
        tmp_path / "times"
    ] * len(names)

    again = TimeDatabase(tmp_path / "times")
    again.start()
    assert [again.estimate_seconds(name) for name in names] == [42] * len(names)
    again.stop()


def test_a_damaged_file_is_ignored_with_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "unit").write_bytes(b"junk")
    database = TimeDatabase(tmp_path)
    database.start()
    database.stop()
    assert database.estimate_seconds("unit") is None
    assert "unit" in caplog.text


def test_a_folder_that_cannot_be_made_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/times cannot be made \(zuul.state_dir\)"):
        TimeDatabase(tmp_path / "file" / "times").start()
