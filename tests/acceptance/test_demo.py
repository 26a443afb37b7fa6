"""The demo, as a newcomer runs it: the whole suite, from a push to a merge, on nodes of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.nodes import why_not
from tests.support.processes import ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(400)]

SECONDS = 380


def test_it_goes_as_it_must(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with told.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.demo"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait(SECONDS)
        finally:
            # It ends what it started.
            process.terminate()
            process.wait(60)
    text = told.read_text("utf-8", "replace")
    assert code == 0, text
    assert "It went as it must." in text
    if why_not() is None:
        found = re.search(r"(\d+) builds on (\d+) nodes, each its own", text)
        assert found is not None
        # Four changes alone, then in the gate.
        assert int(found[1]) >= 12
