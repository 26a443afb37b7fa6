"""nodepool config-validate: what it says and how it exits."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodepool.cmd.nodepool import main
from tests.unit.nodepool.config.texts import GOOD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "nodepool.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(path), "config-validate"]) == 0
    assert capsys.readouterr().out == f"{path}: OK\n"
    assert main(["config-validate", "-c", str(path)]) == 0


def test_all_problems_and_warnings_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(GOOD.replace("max-servers: 5", "max-servers: x\n    foo: 1") + "labls: []\n")
    secure = path.with_name("secure.conf")
    secure.write_text('[jenkins "jenkins01"]\n')
    assert main(["config-validate", "-c", str(path), "-s", str(secure)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"warning: {path}:17: providers[1].foo: is not a known key")
    assert told[2] == f"{path}:16: providers[1].max-servers: expected a whole number, not text"
    assert len(told) == 6


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config-validate", "-c", str(tmp_path / "no")]) == 1
    assert "cannot be read" in capsys.readouterr().err
