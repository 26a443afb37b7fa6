"""ZeroMQ messages, as publishers of all eras send them and as they should not be."""

from __future__ import annotations

import json

import pytest

from nodepool.core.build_events import BuildFinalized, BuildStarted, parse_build_event
from nodepool.errors import BuildEventError

BUILD = {
    "full_url": "http://j/job/gate-x/1/",
    "number": 1,
    "phase": "FINISHED",
    "status": "SUCCESS",
    "url": "job/gate-x/1/",
    "node_name": "n-1",
    "host_name": "jenkins01",
    "parameters": {"ZUUL_UUID": "a", "ZUUL_BRANCH": "stable/x"},
}


def frame(topic: str, **build: object) -> bytes:
    body = {"name": "gate-x", "url": "job/gate-x/", "build": {**BUILD, **build}}
    return f"{topic} {json.dumps(body)}".encode()


def test_a_finalized_build() -> None:
    expected = BuildFinalized("n-1", "gate-x", "SUCCESS", "stable/x", 1, "jenkins01")
    assert parse_build_event(frame("onFinalized")) == expected
    assert parse_build_event(b"  " + frame("onFinalized") + b"\r\n") == expected


@pytest.mark.parametrize("space", ["\t", "\n", "\r\n", "\v", "\f", " \t "])
def test_any_whitespace_ends_the_topic(space: str) -> None:
    text = frame("onStarted").replace(b" ", space.encode(), 1)
    assert parse_build_event(text) == BuildStarted("n-1", "gate-x", 1, "jenkins01")


def test_only_ascii_whitespace_ends_the_topic() -> None:
    with pytest.raises(BuildEventError, match="unhandled phase"):
        parse_build_event(frame("onStarted").replace(b" ", "\u00a0".encode(), 1))


def test_a_started_build() -> None:
    assert parse_build_event(frame("onStarted")) == BuildStarted("n-1", "gate-x", 1, "jenkins01")


def test_the_launcher_s_short_form() -> None:
    text = b'onFinalized {"name":"j","build":{"node_name":"n","parameters":{},"status":null}}'
    assert parse_build_event(text) == BuildFinalized("n", "j", None)


def test_odd_members_are_passed_over() -> None:
    text = frame("onFinalized", number="x", status=3, parameters=[1], host_name=5)
    assert parse_build_event(text) == BuildFinalized("n-1", "gate-x", None)


@pytest.mark.parametrize(
    "text",
    [
        frame("onCompleted"),
        frame("onStarted", node_name=""),
        frame("onStarted", node_name=None),
        b"onCompleted garbage",
    ],
)
def test_messages_of_no_concern(text: bytes) -> None:
    assert parse_build_event(text) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"onStarted",
        b"onStarted not json",
        b"onStarted []",
        b'onStarted {"build": 3}',
        b'onStarted {"build": {"node_name": "n"}}',
        b'onStarted {"name": 3, "build": {"node_name": "n"}}',
        b'onStarted {"name": "j", "build": {"node_name": ["n"]}}',
        b'onStarted {"name": "j", "build": {"node_name": "' + b"n" * 300 + b'"}}',
        b"onDeleted {}",
        b"\xff\xfe onStarted {}",
        b"onStarted " + b"[" * 200_000,
        b"onStarted " + b" " * (1 << 20),
    ],
)
def test_what_is_no_message(text: bytes) -> None:
    with pytest.raises(BuildEventError):
        parse_build_event(text)
