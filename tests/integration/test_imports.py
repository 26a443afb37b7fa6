"""What a program loads at its start: not what only some sites need."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT

_PROGRAM = "import sys, zuul.cmd.server; print(*sorted(sys.modules))"


def test_a_gate_that_reports_to_no_database_loads_no_database_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "zuul.daemon.reporters" in loaded
    assert not loaded & {"sqlalchemy", "alembic"}
