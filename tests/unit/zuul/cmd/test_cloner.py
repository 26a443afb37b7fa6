"""zuul-cloner's options, and what the environment says (contract zuul.md 11.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zuul.cloner.plan import CloneRequest
from zuul.cmd import cloner

URL = "https://git.example.org"


class Recorder:
    """Stands for the Cloner: says what it was asked to do."""

    asked: tuple[CloneRequest, Path, dict[str, Any]]

    def __init__(self, request: CloneRequest, workspace: Path, **more: Any) -> None:
        Recorder.asked = (request, workspace, more)

    def clone_all(self) -> None:
        pass


def run(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str
) -> tuple[CloneRequest, Path, dict[str, Any]]:
    monkeypatch.setattr(cloner, "Cloner", Recorder)
    assert cloner.main([*arguments, URL, "org/p", "org/q"], environment) == 0
    return Recorder.asked


def test_151_no_cache_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch)[2]["cache"] is None
    assert run(monkeypatch, ZUUL_CACHE_DIR="")[2]["cache"] is None


def test_151_the_cache_dir_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, ZUUL_CACHE_DIR="/opt/git")[2]["cache"] == Path("/opt/git")


def test_151_an_argument_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, "--cache-dir", "/other", ZUUL_CACHE_DIR="/opt/git")
    assert found[2]["cache"] == Path("/other")


def test_everything_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    request, workspace, _ = run(monkeypatch)
    assert request == CloneRequest(URL, ("org/p", "org/q"))
    assert workspace == Path.cwd()


def test_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    request, _, _ = run(
        monkeypatch,
        ZUUL_URL="https://zuul/p",
        ZUUL_PROJECT="org/p",
        ZUUL_BRANCH="master",
        ZUUL_REF="refs/zuul/master/Z1",
        ZUUL_NEWREV="a" * 40,
    )
    assert request == CloneRequest(
        URL,
        ("org/p", "org/q"),
        zuul_url="https://zuul/p",
        zuul_project="org/p",
        zuul_branch="master",
        zuul_ref="refs/zuul/master/Z1",
        zuul_newrev="a" * 40,
    )


def test_options_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--zuul-branch", "stable", "--branch", "b", "--workspace", "/w"]
    arguments += ["--project-branch", "org/p=x", "--project-branch", "org/q=y=z"]
    request, workspace, _ = run(monkeypatch, *arguments, ZUUL_BRANCH="master")
    assert (request.zuul_branch, request.branch, workspace) == ("stable", "b", Path("/w"))
    assert request.project_branches == {"org/p": "x", "org/q": "y=z"}


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        ([URL], {}, "PROJECT"),
        ([], {}, "GIT_BASE_URL"),
        ([URL, "p"], {"ZUUL_REF": "refs/zuul/master/Z1"}, "ZUUL_URL"),
        ([URL, "p"], {"ZUUL_NEWREV": "a" * 40}, "ZUUL_PROJECT"),
        (["--project-branch", "p", URL, "p"], {}, "expected PROJECT=BRANCH"),
    ],
)
def test_wrong_usage(
    arguments: list[str],
    environment: dict[str, str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        cloner.main(arguments, environment)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_map_with_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("clonemap: 1\n")
    assert cloner.main(["-m", str(path), URL, "p"], {}) == 1
    assert capsys.readouterr().err == (
        f"{path}:1: clonemap: expected a list of rules, not a number\n"
    )


def test_a_name_that_leads_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    assert cloner.main([URL, "../p"], {}) == 1
    assert "'..' cannot be part of '../p'" in caplog.text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cloner.main(["--version"], {})
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Zuul version: ")
