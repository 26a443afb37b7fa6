"""The demo that stays: what it tells a guest to type works, with no git configuration at all."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.demo.guest import welcome
from tests.demo.review import found_project, read_review
from tests.sandbox.developer import Developer
from tests.sandbox.gerrit import SandboxGerrit

pytestmark = pytest.mark.integration


def test_what_the_instructions_say_pushes_and_approves_a_change(tmp_path: Path) -> None:
    with SandboxGerrit(tmp_path / "gerrit") as gerrit:
        gerrit.create_project("acme/app")
        founder = Developer(gerrit.endpoint, "zuul", tmp_path / "founder")
        found_project(founder, "acme/app", {"app.py": "start\n"})
        guest = welcome(tmp_path, gerrit.endpoint, "acme/app")
        lines = guest.instructions("http://127.0.0.1:1", "app.py").splitlines()
        commands = [line.strip() for line in lines if line.startswith("  ")]
        home = tmp_path / "home"
        home.mkdir()

        def type_in(script: list[str]) -> str:
            done = subprocess.run(
                ["sh", "-e", "-c", "\n".join(script)],
                env={"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.returncode == 0, done.stderr
            return done.stderr

        said = type_in(commands[:-1])
        found = re.search(r"/c/acme/app/\+/(\d+)", said)
        assert found, said
        number = int(found[1])
        type_in([commands[-1].removesuffix(" 5") + f" {number}"])
        assert read_review(gerrit.endpoint, number).votes == (
            "Code-Review +2 by core",
            "Workflow +1 by core",
        )
