"""`zuul layout show`: what is printed where, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zuul.cmd.client import main

GOOD = """\
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {review: [{event: patchset-created, comment_filter: x}]}
    source: review
projects:
  - {name: org/p, check: [{a: [b]}]}
"""
BAD = "pipelines: 1\nprojects:\n  - {name: p, nosuch: [a]}\n"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout.yaml"
    path.write_text(GOOD)
    return path


def write_config(folder: Path, driver: str) -> Path:
    path = folder / "zuul.conf"
    keys = "server=review.example.org\nuser=zuul\n" if driver == "gerrit" else ""
    path.write_text(f"[gearman]\nserver=127.0.0.1\n[connection review]\ndriver={driver}\n{keys}")
    return path


def test_json_goes_to_standard_output_and_warnings_do_not(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layout", "show", str(layout), "--json"]) == 0
    printed = capsys.readouterr()
    (pipeline,) = json.loads(printed.out)["pipelines"]
    assert pipeline["projects"] == {"org/p": [{"job": "a", "after": [{"job": "b", "after": []}]}]}
    assert printed.err.startswith(f"warning: {layout}:4: pipelines[0].trigger.review[0].comment_")


def test_a_summary_is_for_reading(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layout", "show", str(layout)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["1 pipelines, 1 projects, 2 jobs", ""]


def test_every_problem_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    assert main(["layout", "show", str(path), "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"{path}:1: pipelines: expected a list of pipelines, not a number",
        f"{path}:3: projects[0].nosuch: there is no pipeline 'nosuch'",
    ]


def test_connections_are_looked_up_in_the_configuration_named(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(layout.parent, "gerrit")
    assert main(["-c", str(config), "layout", "show", str(layout)]) == 0
    write_config(layout.parent, "smtp")
    assert main(["-c", str(config), "layout", "show", str(layout)]) == 1
    assert "a connection of the driver smtp cannot do this" in capsys.readouterr().err


def test_mistakes_of_the_configuration_are_printed(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(layout.parent, "nosuch")
    assert main(["-c", str(config), "layout", "show", str(layout)]) == 1
    assert "unknown driver 'nosuch'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["layout"], ["nosuch"], ["layout", "show"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: zuul" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Zuul version: ")
