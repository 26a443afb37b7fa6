"""What the client's commands ask for, print and return."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zuul.client.rpc import Answer, RpcClient
from zuul.cmd.client import main
from zuul.errors import RequestError
from zuul.lib.caller import caller

Asked = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    conf = tmp_path / "zuul.conf"
    conf.write_text("[gearman]\nserver=127.0.0.1\n")
    return lambda *words: main(["-c", str(conf), *words])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What was asked for; the answer is empty."""
    found: Asked = []

    def call(self: RpcClient, function: str, arguments: dict[str, Any]) -> Answer:
        found.append((function, {k: v for k, v in arguments.items() if v is not None}))
        return Answer(b"[]")

    monkeypatch.setattr(RpcClient, "call", call)
    return found


NEW = "a" * 40
PIPELINE = ("--pipeline", "gate")


@pytest.mark.parametrize(
    ("words", "function", "arguments"),
    [
        (
            "enqueue --trigger gerrit --pipeline gate --project p --change 1,1",
            "enqueue",
            {"trigger": "gerrit", "pipeline": "gate", "project": "p", "change": "1,1"},
        ),
        (
            f"enqueue-ref --trigger gerrit --pipeline post --project p --ref master --newrev {NEW}",
            "enqueue_ref",
            {
                "trigger": "gerrit",
                "pipeline": "post",
                "project": "p",
                "ref": "master",
                "oldrev": "0" * 40,
                "newrev": NEW,
            },
        ),
        (
            "promote --pipeline gate --changes 1,1 2,2",
            "promote",
            {"pipeline": "gate", "change_ids": ["1,1", "2,2"]},
        ),
        (
            "dequeue --pipeline gate --change 1,1 --reason stuck",
            "dequeue",
            {"pipeline": "gate", "change": "1,1", "reason": "stuck"},
        ),
        (
            "dequeue --pipeline post --project p --ref master",
            "dequeue",
            {"pipeline": "post", "project": "p", "ref": "master"},
        ),
        (
            "dequeue --pipeline periodic --project p --tick",
            "dequeue",
            {"pipeline": "periodic", "project": "p", "tick": True},
        ),
        (
            "freeze --pipeline gate --project p --reason r",
            "freeze",
            {"pipeline": "gate", "project": "p", "reason": "r"},
        ),
        ("freeze --all --reason r", "freeze", {"reason": "r"}),
        ("unfreeze --project p", "unfreeze", {"project": "p"}),
        (
            "hold --pipeline gate --change 1 --reason r",
            "hold",
            {"pipeline": "gate", "change": "1", "reason": "r"},
        ),
        ("unhold --pipeline gate --change 1,2", "unhold", {"pipeline": "gate", "change": "1,2"}),
    ],
)
def test_what_is_asked(
    run: Callable[..., int], asked: Asked, words: str, function: str, arguments: dict[str, Any]
) -> None:
    assert run(*words.split()) == 0
    assert asked == [(f"zuul:{function}", arguments | {"by": caller()})]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("freeze --reason r", "Name a pipeline, a project, or both; or everything with --all"),
        ("freeze --all --pipeline gate --reason r", "Name a pipeline"),
        ("unfreeze", "Name a pipeline"),
        (
            "enqueue-ref --trigger t --pipeline p --project r --ref x",
            "The old and the new revision are the same",
        ),
        ("show running-jobs --columns nosuch", "Invalid columns: nosuch"),
    ],
)
def test_what_is_not_even_asked(
    run: Callable[..., int],
    asked: Asked,
    capsys: pytest.CaptureFixture[str],
    words: str,
    text: str,
) -> None:
    assert run(*words.split()) == 1
    assert capsys.readouterr().err.startswith(text)
    assert asked == []


@pytest.mark.parametrize(
    "words",
    [
        "enqueue --trigger gerrit --pipeline gate --project p",
        "promote --pipeline gate --changes",
        "dequeue --pipeline gate",
        "dequeue --pipeline gate --change 1,1 --ref x",
        "freeze --pipeline gate",
        "hold --change 1,1 --reason r",
        "show",
    ],
)
def test_wrong_usage(run: Callable[..., int], asked: Asked, words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words.split())
    assert caught.value.code == 2
    assert asked == []


def test_a_refusal_is_its_text_and_1(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> Answer:
        raise RequestError("Invalid pipeline: x\nknown pipelines: gate")

    monkeypatch.setattr(RpcClient, "call", refuse)
    assert run("promote", "--pipeline", "x", "--changes", "1,1") == 1
    assert capsys.readouterr() == ("", "Invalid pipeline: x\nknown pipelines: gate\n")


def test_notes_go_to_standard_error_and_are_no_failure(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RpcClient, "call", lambda *_: Answer(b"", ["1,1 was not enqueued: why"]))
    assert run("dequeue", *PIPELINE, "--change", "1,1") == 0
    assert capsys.readouterr() == ("", "1,1 was not enqueued: why\n")


def test_what_is_shown(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {
        "zuul:get_running_jobs": [{"jobs": [{"name": "unit", "result": None}]}],
        "zuul:get_brakes": {"freezes": [], "holds": []},
    }

    def call(self: RpcClient, function: str, arguments: object) -> Answer:
        return Answer(json.dumps(answers[function]).encode())

    monkeypatch.setattr(RpcClient, "call", call)
    assert run("show", "running-jobs", "--columns", "name") == 0
    assert capsys.readouterr().out.splitlines()[1:4:2] == ["| Job Name |", "| unit     |"]
    assert run("show", "brakes") == 0
    assert capsys.readouterr().out == "Nothing is frozen or held\n"


def test_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert caller().startswith("ann@")
    monkeypatch.delenv("SUDO_USER")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert "@" in caller()[1:]
