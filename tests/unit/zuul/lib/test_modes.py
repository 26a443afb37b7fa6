"""Files that others can change are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from zuul.lib.modes import is_readable_by_others, refuse_writers
from zuul.lib.problems import ConfigError


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750])
def test_what_others_can_read_is_taken(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    refuse_writers(tmp_path, tmp_path / "missing")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o1777])
def test_what_others_can_write_is_not(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:o}.*chmod go-w {tmp_path}"):
        refuse_writers(tmp_path / "missing", tmp_path)


def test_what_cannot_be_looked_at_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be looked at"):
        refuse_writers(tmp_path / "file" / "below")


def test_secrets_are_for_their_owner(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    assert not is_readable_by_others(secret)
    secret.chmod(0o604)
    assert is_readable_by_others(secret)
