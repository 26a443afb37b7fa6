"""Freezes and holds outlive the process; damage stops more, not less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zuul.core.commands import KeepBrakes
from zuul.core.requests import BrakesRestored
from zuul.daemon.brake_file import read_brakes, write_brakes
from zuul.model.brakes import Freeze, Hold

FREEZES = (
    Freeze("gate", None, "release \N{SNOWMAN}", "ann@host", 17.5),
    Freeze(None, "p", "", "b", 1.0),
)
HOLDS = (Hold("gate", "12", None, "r", "b", 2.0), Hold("gate", "12", "3", "r", "b", 2.0))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_brakes(tmp_path, 0.0) == BrakesRestored((), ())
    write_brakes(tmp_path, KeepBrakes(FREEZES, HOLDS))
    assert read_brakes(tmp_path, 0.0) == BrakesRestored(FREEZES, HOLDS)
    assert [path.name for path in tmp_path.iterdir()] == ["brakes.json"]
    assert (tmp_path / "brakes.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"freezes": [{}], "holds": []}),
        json.dumps({"freezes": [{"pipeline": 1, "project": None, "reason": "r"}], "holds": []}),
        json.dumps(
            {"freezes": [], "holds": [{"pipeline": "g", "number": 1, "patchset": None}]},
        ),
        json.dumps(
            {
                "freezes": [{"pipeline": "g", "project": None, "reason": "r", "at": "now"}],
                "holds": [],
            }
        ),
    ],
)
def test_a_damaged_file_freezes_everything(tmp_path: Path, text: str) -> None:
    path = tmp_path / "brakes.json"
    path.write_text(text)
    brakes = read_brakes(tmp_path, 5.0)
    (freeze,) = brakes.freezes
    assert freeze.scope == (None, None)
    assert "brakes.json.damaged" in freeze.reason
    assert (tmp_path / "brakes.json.damaged").read_text() == text
    assert not path.exists()
