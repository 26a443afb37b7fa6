"""`zuul layout jobs` and `zuul layout diff`: what is printed where, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zuul.cmd.client import main

LAYOUT = """\
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
jobs:
  - {name: a, branch: ^stable}
  - {name: c, voting: false}
projects:
  - {name: org/p, check: [a, {b: [c]}]}
"""
ASKED = ("--pipeline", "check", "--project", "org/p")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout.yaml"
    path.write_text(LAYOUT)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["layout", *map(str, arguments)])
    return (status, *capsys.readouterr())


def test_jobs_in_words(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("--file", "x", "y", "--file", "/COMMIT_MSG")
    assert run(capsys, "jobs", layout, *ASKED, "--branch", "master", *files) == (
        0,
        "b\n"
        "  c (non-voting)\n"
        "\n"
        "Not run:\n"
        "  a: branch: master does not match ^stable\n"
        f"    {layout}:6: jobs[0].branch (of the entry a)\n",
        "",
    )


def test_jobs_as_json(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "jobs", layout, *ASKED, "--json")
    assert status == 0
    assert json.loads(out) == {
        "jobs": ["b", "c"],
        "absent": [
            {
                "job": "a",
                "rule": "branch",
                "text": "branch: master does not match ^stable",
                "file": str(layout),
                "line": 6,
                "key": "jobs[0].branch",
                "entry": "a",
            }
        ],
        "notes": [],
    }


def test_the_answer_can_be_that_nothing_runs(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--pipeline", "check", "--project", "org/q")
    status, out, _ = run(capsys, "jobs", layout, *arguments)
    assert (status, out.splitlines()[0]) == (0, "No job would run.")
    assert "Note: org/q is not in the layout" in out


@pytest.mark.parametrize(
    ("what", "jobs"),
    [(("--ref", "stable"), ["a", "b", "c"]), (("--timer",), ["b", "c"])],
)
def test_jobs_of_refs_and_timers(
    layout: Path, capsys: pytest.CaptureFixture[str], what: tuple[str, ...], jobs: list[str]
) -> None:
    _, out, _ = run(capsys, "jobs", layout, *ASKED, *what, "--json")
    assert json.loads(out)["jobs"] == jobs


def test_an_unknown_pipeline(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--pipeline", "gate", "--project", "org/p")
    status, out, err = run(capsys, "jobs", layout, *arguments)
    assert (status, out, err) == (1, "", "the layout has no pipeline 'gate'\n")


def test_the_layout_of_the_configuration(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = layout.parent / "zuul.conf"
    connection = "[connection gerrit]\ndriver=gerrit\nserver=s\nuser=u\n"
    config.write_text(f"[gearman]\nserver=127.0.0.1\n{connection}[zuul]\nlayout_config={layout}\n")
    assert main(["-c", str(config), "layout", "jobs", *ASKED]) == 0
    assert capsys.readouterr().out.startswith("b\n")
    other = config.read_text().replace("driver=gerrit", "driver=smtp")
    config.write_text(other)
    assert main(["-c", str(config), "layout", "jobs", *ASKED]) == 1
    assert "a connection of the driver smtp cannot do this" in capsys.readouterr().err
    config.write_text(f"[gearman]\nserver=127.0.0.1\n{connection}")
    assert main(["-c", str(config), "layout", "jobs", *ASKED]) == 1
    assert "zuul.layout_config: names no layout" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--pipeline", "check"),
        (*ASKED, "--batch", "x"),
        ("--timer", "--batch", "x"),
        (*ASKED, "--timer", "--ref", "x"),
        (*ASKED, "--branch", "b", "--ref", "x"),
        (*ASKED, "--file", "f", "--timer"),
    ],
)
def test_wrong_usage(
    layout: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["layout", "jobs", str(layout), *arguments])
    assert caught.value.code == 2
    assert "usage: zuul layout jobs" in capsys.readouterr().err


def write_batch(folder: Path, *questions: list[object]) -> Path:
    path = folder / "batch.json"
    path.write_text(json.dumps(questions))
    return path


def test_a_batch(layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = (
        ["check", "org/p", "stable", ["x"]],
        ["check", "org/p", "master", [], ["b", "c"]],
        ["check", "org/q", "master", []],
    )
    batch = write_batch(layout.parent, *questions)
    status, out, err = run(capsys, "jobs", layout, "--batch", batch, "--json")
    assert (status, json.loads(out), err) == (0, [["a", "b", "c"], ["b", "c"], []], "")
    status, out, _ = run(capsys, "jobs", layout, "--batch", batch)
    assert (status, out.splitlines()[::2]) == (
        0,
        ["check org/p stable: a, b, c", "check org/q master: no job"],
    )


def test_a_batch_with_another_answer_than_expected(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = write_batch(layout.parent, ["check", "org/p", "master", [], ["c", "b"]])
    status, out, err = run(capsys, "jobs", layout, "--batch", batch, "--json")
    assert (status, json.loads(out)) == (1, [["b", "c"]])
    assert err == f"{batch}: [0]: expected c, b, not b, c\n"


def test_a_batch_that_asks_for_an_unknown_pipeline(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = write_batch(layout.parent, ["gate", "org/p", "master", []])
    status, out, err = run(capsys, "jobs", layout, "--batch", batch, "--json")
    assert (status, out, err) == (1, "", f"{batch}: [0]: the layout has no pipeline 'gate'\n")


@pytest.fixture
def changed(layout: Path) -> Path:
    path = layout.parent / "new.yaml"
    path.write_text(LAYOUT.replace("[a, {b: [c]}]", "[d, {b: [c]}]").replace("false", "true"))
    return path


def test_differences_in_words(
    layout: Path, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "diff", layout, changed) == (
        0,
        "org/p check\n  + d\n  - a\njob c: voting: false -> true\n",
        "",
    )
    assert run(capsys, "diff", layout, layout)[1] == "The same jobs run in the same places.\n"


def test_differences_as_json(
    layout: Path, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "diff", layout, changed, "--json")
    assert json.loads(out) == {
        "projects": {"org/p": {"check": {"appear": ["d"], "vanish": ["a"]}}},
        "jobs": {"c": {"voting": {"old": False, "new": True}}},
    }


def test_differences_to_a_layout_with_problems(
    layout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = layout.parent / "broken.yaml"
    broken.write_text("pipelines: 1\nprojects: []\n")
    status, out, err = run(capsys, "diff", layout, broken)
    assert (status, out) == (1, "")
    assert err == f"{broken}:1: pipelines: expected a list of pipelines, not a number\n"
