"""How the Gerrit driver logs in: host keys, and secrets."""

from __future__ import annotations

import logging
from base64 import b64encode
from pathlib import Path

import asyncssh
import pytest

from tests.integration.gerrit_driver_world import PROJECT, World, wait_for
from tests.sandbox.gerrit import SandboxGerrit
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration


def known_hosts(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return path


def test_an_unknown_key_is_refused_and_says_what_to_do(
    world: World,
    gerrit: SandboxGerrit,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = known_hosts(tmp_path, "")
    with world.driver(known_hosts=path):
        wait_for("the refusal", lambda: "ssh-keyscan" in caplog.text)
    assert f"ssh-keyscan -p {gerrit.endpoint.ssh_port} 127.0.0.1 >> {path}" in caplog.text
    assert "SHA256:" in caplog.text
    assert gerrit.listeners == 0
    refusals = [r for r in caplog.records if "ssh-keyscan" in r.getMessage()]
    assert len(refusals) == 1


def test_a_missing_file_is_an_empty_one(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with world.driver(known_hosts=tmp_path / "none"):
        wait_for("the refusal", lambda: "ssh-keyscan" in caplog.text)


def test_a_changed_key_is_refused(
    world: World,
    gerrit: SandboxGerrit,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind = gerrit.endpoint.known_hosts.read_text().split()[1]
    other = asyncssh.generate_private_key(kind).export_public_key().decode().split()
    line = f"[127.0.0.1]:{gerrit.endpoint.ssh_port} {other[0]} {other[1]}\n"
    with world.driver(known_hosts=known_hosts(tmp_path, line)):
        wait_for("the refusal", lambda: "CHANGED" in caplog.text)
    assert "ssh-keygen -R" in caplog.text
    assert gerrit.listeners == 0


def test_secrets_stay_out_of_the_log(
    world: World, gerrit: SandboxGerrit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with world.listening(password=Secret("correct-horse")):
        world.wait_change(gerrit.upload(PROJECT, "A").number)
    assert "correct-horse" not in caplog.text
    assert b64encode(b"zuul:correct-horse").decode() not in caplog.text
    assert "check user and password" in caplog.text
