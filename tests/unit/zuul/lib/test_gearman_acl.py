"""Access lists: how they are read, and what the server does by them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from zuul.lib.gearman.acl import EVERYTHING, NOTHING, FunctionNames, parse_acl
from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.packets import PacketType, request
from zuul.lib.problems import ConfigError

TEXT = """
; comments are welcome
[zuul.example.org]
submit = build:*, stop:*
  merger:*
cancel = build:*
admin = status, workers

[node-1]
register = build:unit-[0-9]
"""


def test_lists_and_patterns() -> None:
    acl = parse_acl(TEXT, "acl.ini")
    zuul = acl.rights_of("zuul.example.org")
    for name in (b"build:unit", b"build:unit:node", b"stop:m", b"merger:merge", b"build:"):
        assert name in zuul.submit, name
    for name in (b"zuul:promote", b"xbuild:unit", b"build", b""):
        assert name not in zuul.submit, name
    assert b"merger:merge" not in zuul.cancel
    assert zuul.admin == {"status", "workers"}
    assert b"build:unit" not in zuul.register
    node = acl.rights_of("node-1")
    assert b"build:unit-7" in node.register
    assert b"build:unit-77" not in node.register
    assert b"build:unit-7" not in node.submit


@pytest.mark.parametrize("name", ["", "node-2", "NODE-1", "node-1 ", "zuul.example.org\0", "*"])
def test_names_are_taken_as_they_are(name: str) -> None:
    assert parse_acl(TEXT, "acl").rights_of(name) is NOTHING


def test_no_bytes_confuse_a_pattern() -> None:
    names = FunctionNames(["build:*"])
    assert b"build:\xff\xfe" in names
    assert b"\xff" not in names
    assert b"build:\nx" in names


def test_many_stars_take_no_time() -> None:
    names = FunctionNames(["*a" * 30])
    assert b"a" * 5000 + b"b" not in names


def test_all_mistakes_at_once() -> None:
    text = (
        "[DEFAULT]\nregister=*\n[a]\ninvoke=.*\nadmin=shutdown, status\n"
        "[b]\nsubmit=" + "x" * 2000 + "\nnonsense\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse_acl(text, "acl.ini")
    assert [str(problem).split(" ")[0] for problem in caught.value.problems] == [
        "acl.ini:2:",
        "acl.ini:4:",
        "acl.ini:5:",
        "acl.ini:7:",
        "acl.ini:8:",
    ]
    assert "expected one of register, submit, cancel, admin" in str(caught.value)
    assert "unknown command 'shutdown'" in str(caught.value)


def broker_with(*certificates: str) -> Broker:
    broker = Broker("boot", "1.0", acl=parse_acl(TEXT, "acl"))
    for number, certificate in enumerate(certificates):
        broker.connect(number, "10.0.0.1", certificate)
    return broker


def test_without_a_list_everybody_may_everything() -> None:
    broker = Broker("boot", "1.0")
    broker.connect(1, "10.0.0.1")
    broker.receive(1, request(PacketType.CAN_DO, b"zuul:promote"), 0.0)
    broker.receive(1, request(PacketType.SUBMIT_JOB, b"zuul:promote", b"", b""), 0.0)
    broker.receive(1, b"status\nworkers\n", 0.0)
    ((_, data),) = broker.take_output()
    assert b"ERR" not in data
    assert EVERYTHING.admin


def test_of_many_functions_those_allowed_are_registered() -> None:
    broker = broker_with("node-1", "zuul.example.org")
    broker.receive(0, request(PacketType.MASS_DO, b"zuul:x", b"build:unit-1", b"stop:m"), 0.0)
    ((_, data),) = broker.take_output()
    assert data.count(b"ERR_PERMISSION_DENIED") == 1 and b"'zuul:x'" in data
    broker.receive(1, b"status\n", 0.0)
    assert broker.take_output() == [(1, b"build:unit-1\t0\t0\t1\n.\n")]


def test_the_log_names_certificate_and_function_and_stays_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    broker = broker_with("no\nde")
    for _ in range(1000):
        broker.receive(0, request(PacketType.CAN_DO, b"merger:\x9bmerge"), 0.0)
    assert len(caplog.records) == 21
    assert caplog.records[0].message == (
        "Request refused packet=CAN_DO host=10.0.0.1 client=- certificate=no\\nde: "
        "certificate 'no\\\\nde' may not register 'merger:\\\\ufffdmerge'"
    )
    assert "not logged" in caplog.records[-1].message


def test_a_function_of_a_job_that_waits_is_lost_with_the_right() -> None:
    broker = broker_with("node-1", "zuul.example.org")
    broker.receive(0, request(PacketType.CAN_DO, b"build:unit-1"), 0.0)
    broker.receive(1, request(PacketType.SUBMIT_JOB, b"build:unit-1", b"", b""), 0.0)
    broker.receive(0, request(PacketType.GRAB_JOB), 0.0)
    handle = b"H:boot:1"
    broker.take_output()
    broker.set_acl(parse_acl("[zuul.example.org]\nadmin=status", "acl"))
    broker.receive(0, request(PacketType.WORK_COMPLETE, handle, b"done"), 0.0)
    ((number, data),) = broker.take_output()
    assert number == 1 and data.endswith(b"done"), "who has a job may end it"
    broker.receive(0, request(PacketType.CAN_DO, b"build:unit-1"), 0.0)
    broker.take_output()
    broker.receive(1, b"status\n", 0.0)
    assert broker.take_output() == [(1, b"build:unit-1\t0\t0\t0\n.\n")]
    broker.set_acl(None)
    broker.receive(0, request(PacketType.CAN_DO, b"build:unit-1"), 0.0)
    assert broker.take_output() == []


def test_the_sample_lets_each_party_do_its_work_and_no_more() -> None:
    path = Path(__file__).parents[4] / "etc" / "gearman-acl.ini-sample"
    acl = parse_acl(path.read_text("utf-8"), path.name)
    zuul, merger = acl.rights_of("zuul.example.org"), acl.rights_of("zuul-merger01.example.org")
    bridge, guest = acl.rights_of("jenkins.example.org"), acl.rights_of("zuul-guest")
    for function in (b"build:unit:xenial", b"stop:m", b"set_description:m"):
        assert function in zuul.submit and function in bridge.register
    for function in (b"merger:merge", b"merger:merge:a1", b"merger:update", b"merger:head"):
        assert function in zuul.submit and function in merger.register
    assert b"zuul:promote" in zuul.register
    assert b"zuul:promote" in acl.rights_of("zuul-admin").submit
    assert b"zuul:promote" not in guest.submit and b"zuul:get_running_jobs" in guest.submit
    for name in ("zuul-merger01.example.org", "jenkins.example.org", "nodepool.example.org"):
        rights = acl.rights_of(name)
        assert b"zuul:promote" not in rights.submit
        assert name == "jenkins.example.org" or b"build:unit" not in rights.register
