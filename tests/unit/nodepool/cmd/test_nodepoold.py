"""nodepoold's command line."""

from pathlib import Path

import pytest

from nodepool.cmd.nodepoold import main
from tests.unit.nodepool.core.site import CONFIG


def test_all_that_is_wrong_with_the_files_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, secure = tmp_path / "nodepool.yaml", tmp_path / "secure.conf"
    path.write_text(CONFIG.replace("max-servers: 10", "max-servers: many\n    rate: fast"))
    secure.write_text('[jenkins "t"]\nurl=http://t\n')
    assert main(["-d", "-c", str(path), "-s", str(secure)]) == 1
    told = capsys.readouterr().err
    for word in ("max-servers", "rate", "user", "apikey"):
        assert word in told


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-d", "-c", str(tmp_path / "none.yaml"), "-s", str(tmp_path / "none.conf")]) == 1
    told = capsys.readouterr().err
    assert "none.yaml" in told
    assert "none.conf" in told


def test_options_of_the_originals_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--no-builder", "--build-workers", "2", "--upload-workers", "8", "--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("Nodepool version: ")
