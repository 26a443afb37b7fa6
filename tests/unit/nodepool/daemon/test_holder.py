"""Whose process a lease's holder is, and whether it is dead."""

import os
import subprocess
import sys

import pytest

from nodepool.daemon.holder import is_dead, make_holder
from tests.support.processes import ROOT


def test_this_process_lives_and_is_like_no_other() -> None:
    assert not is_dead(make_holder())
    assert make_holder() != make_holder()
    assert len(make_holder()) < 255


def test_a_process_of_this_machine_that_ended_is_dead() -> None:
    program = "from nodepool.daemon.holder import make_holder; print(make_holder())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=ROOT,
    )
    assert is_dead(done.stdout.strip())


@pytest.mark.parametrize("part", [0, 1, 2])
def test_of_processes_elsewhere_nothing_is_known(part: int) -> None:
    parts = make_holder().split("/")
    parts[1] = "999999999"
    assert is_dead("/".join(parts))
    parts[part] = "-1" if part == 1 else "elsewhere"
    # Its host's name alone says nothing: containers share names, and change them.
    assert is_dead("/".join(parts)) is (part == 0)


def test_names_of_other_programs_are_alive() -> None:
    assert not any(is_dead(name) for name in ("", "one", f"host/{os.getpid()}", "a/b/c/d"))
