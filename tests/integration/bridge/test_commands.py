"""gearman-plugin-shim's commands, and the documentation's examples, as people run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gearman_plugin_shim.cmd import main
from tests.integration.bridge_world import World

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "examples"


@pytest.fixture
def file(world: World) -> Path:
    world.add_master("m1")
    world.add_master("m2", modern=False)
    world.masters["m1"].add_job("unit", "true\n", parameters=("OTHER",))
    world.masters["m2"].add_job("unit", "true\n", parameters=("OTHER",))
    path = world.folder / "shim.conf"
    path.write_text(world.text())
    path.chmod(0o600)
    return path


def test_check_tells_who_the_masters_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(file), "--check"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("m1: Jenkins 2.")
    assert out.splitlines()[0].endswith("as zuul, 1 jobs, 1 nodes")
    assert out.splitlines()[1].startswith("m2: Hudson 2.2.1 at http://")
    assert err == ""


def test_check_tells_what_is_wrong(
    world: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.masters["m1"].change_password("zuul", "other", "other-token")
    world.masters["m2"].stop()
    assert main(["-c", str(file), "--check"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "m1: master m1 asks for a login (HTTP 401)" in err
    assert "m2: master m2 cannot be reached" in err
    assert "api-token" not in err
    file.write_text("[gearman]\nport = x\n")
    assert main(["-c", str(file), "--check"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_parameters_are_added_with_a_diff(
    world: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["-c", str(file), "jobs", "add-parameters", "unit"]
    assert main([*command, "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert "+++ b/m1/unit/config.xml" in dry
    assert "+          <name>ZUUL_UUID</name>" in dry
    assert main(command) == 0
    assert capsys.readouterr().out == dry
    assert main([*command, "--master", "m1"]) == 0
    assert capsys.readouterr().out == "unit on m1: declares everything already\n"
    for master in world.masters.values():
        master.start_build("unit", ZUUL_UUID="u1", OTHER="x")
        (build,) = master.wait_for(lambda builds: len(builds) == 1, 10)
        assert build.parameters["ZUUL_UUID"] == "u1"
    assert main(["-c", str(file), "jobs", "add-parameters", "nope", "unit"]) == 1
    assert "nope: no master has it" in capsys.readouterr().err
    assert main([*command, "--master", "m3"]) == 1


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=40)


def test_any_program_can_trigger_a_build(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "true\n")
    world.start()
    world.await_function("build:unit")
    port = str(world.server.port)
    done = run("trigger_build.py", "127.0.0.1", port, "unit", "ZUUL_BRANCH=master")
    assert json.loads(done.stdout)["result"] == "SUCCESS"
    (build,) = master.builds()
    assert build.parameters["ZUUL_BRANCH"] == "master"


def test_any_system_can_run_builds_beside_jenkins(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "true\n")
    world.start()
    world.await_function("build:unit")
    port = str(world.server.port)
    script = "import os; raise SystemExit(os.environ['ZUUL_BRANCH'] != 'master')"
    arguments = ["127.0.0.1", port, "other", sys.executable, "-c", script]
    worker = subprocess.Popen([sys.executable, str(EXAMPLES / "build_worker.py"), *arguments])
    try:
        world.await_function("build:other")
        branch = {"ZUUL_BRANCH": "master"}
        good = world.submit("build:other", "u1", branch)
        bad = world.submit("build:other", "u2", {"ZUUL_BRANCH": "stable"})
        jenkins = world.submit("build:unit", "u3", branch)
        assert [good.ended(), bad.ended(), jenkins.ended()] == ["SUCCESS", "FAILURE", "SUCCESS"]
        assert good.started()["manager"] == "example"
    finally:
        worker.kill()
        worker.wait()
    assert len(master.builds()) == 1
