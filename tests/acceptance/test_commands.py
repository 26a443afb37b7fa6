"""The commands: what they print, and their exit status."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.people import LAYOUT
from tests.support.processes import ROOT, Process, find_free_port
from zuul.daemon.gearman_waits import GEARMAN_SECONDS

pytestmark = pytest.mark.acceptance

CONF = """
[gearman]
server = 127.0.0.1
[zuul]
layout_config = {folder}/layout.yaml
state_dir = {folder}
[connection gerrit]
driver = gerrit
server = review.example.com
user = zuul
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "layout.yaml").write_text(LAYOUT)
    path = tmp_path / "zuul.conf"
    path.write_text(CONF.format(folder=tmp_path))
    return path


def test_a_good_configuration_validates(conf: Path) -> None:
    done = run("zuul.cmd.server", "-c", conf, "-t")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_mistake_of_a_layout_is_listed_with_file_line_and_key(conf: Path) -> None:
    bad = LAYOUT.replace("manager: Dep", "manger: Dep").replace("unit]", "a b]", 1)
    (conf.parent / "layout.yaml").write_text(bad)
    done = run("zuul.cmd.server", "-c", conf, "-t")
    assert done.returncode == 1
    for place in (
        "layout.yaml:14: pipelines[1].manager",
        "layout.yaml:15: pipelines[1].manger",
        "layout.yaml:37: projects[0].check[0]",
    ):
        assert place in done.stderr


def test_jobs_that_no_worker_knows_are_listed(conf: Path) -> None:
    known = conf.parent / "jobs"
    known.write_text("unit\n")
    done = run("zuul.cmd.server", "-c", conf, "-t", known)
    assert done.returncode == 1
    assert "shared" in done.stderr
    assert "unit" not in done.stderr.replace("layout", "")


def test_every_mistake_of_zuul_conf_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "zuul.conf"
    path.write_text("[gearman]\nport = many\n[zuul]\n[connection x]\ndriver = nosuch\n")
    done = run("zuul.cmd.server", "-c", path, "-d")
    assert done.returncode == 1
    for word in ("gearman.server", "gearman.port", "zuul.layout_config", "nosuch"):
        assert word in done.stderr


def test_a_start_that_waits_for_gearman_ends_when_told_to(conf: Path) -> None:
    away = f"[gearman_server]\nstart = false\n[gearman]\nport = {find_free_port()}\n"
    conf.write_text(conf.read_text().replace("[gearman]\n", away, 1))
    command = [sys.executable, "-m", "zuul.cmd.server", "-c", str(conf), "-d"]
    server = Process.start("zuul-server", command, conf.parent)
    try:
        server.wait_for_words("Waiting for the Gearman")
        server.send(signal.SIGTERM)
        assert server.wait(GEARMAN_SECONDS / 2) == 0
        assert server.has_said("Told to end before it served")
    finally:
        server.kill()


def test_a_missing_file_is_one_line_not_a_traceback(tmp_path: Path) -> None:
    for module in ("zuul.cmd.server", "zuul.cmd.merger"):
        done = run(module, "-c", tmp_path / "none.conf", "-d")
        assert done.returncode == 1
        assert "none.conf" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["zuul.cmd.server", "zuul.cmd.merger", "zuul.cmd.client"])
def test_each_tells_its_version(module: str) -> None:
    done = run(module, "--version")
    assert done.returncode == 0
    assert "0.1.0" in done.stdout
