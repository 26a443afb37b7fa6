"""Keys and datagrams of statsd."""

import socket

import pytest

from zuul.lib.stats import (
    Stats,
    escape_name,
    escape_part,
    escape_project,
)


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


@pytest.mark.integration
def test_figures_arrive(receiver):
    host, port = receiver.getsockname()
    environment = {"STATSD_HOST": host, "STATSD_PORT": str(port)}
    stats = Stats.from_environment(environment)
    assert stats.enabled
    stats.incr("a.b")
    stats.incr("a.b", 3)
    stats.gauge("g", 7)
    stats.timing("t", 12)
    received = [receiver.recv(1024).decode() for _ in range(4)]
    stats.close()
    assert received == ["a.b:1|c", "a.b:3|c", "g:7|g", "t:12.000000|ms"]


@pytest.mark.integration
def test_a_prefix_comes_first(receiver):
    host, port = receiver.getsockname()
    stats = Stats.from_environment(
        {"STATSD_HOST": host, "STATSD_PORT": str(port), "STATSD_PREFIX": "site1"}
    )
    assert stats.enabled
    stats.incr("a")
    assert receiver.recv(1024) == b"site1.a:1|c"
    stats.close()


@pytest.mark.integration
def test_a_port_alone_is_enough_where_there_is_a_default(receiver):
    environment = {"STATSD_PORT": str(receiver.getsockname()[1])}
    assert not Stats.from_environment(environment).enabled
    assert not Stats.from_environment({}, default_host="127.0.0.1").enabled
    stats = Stats.from_environment(environment, default_host="127.0.0.1")
    stats.incr("a")
    assert receiver.recv(1024) == b"a:1|c"
    stats.close()


@pytest.mark.integration
def test_nobody_listening_is_no_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
    stats = Stats.from_environment({"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(port)})
    for _ in range(5):
        stats.incr("a")
    stats.close()
    stats.incr("after the end")


@pytest.mark.parametrize(
    "environment",
    [{}, {"STATSD_HOST": ""}, {"STATSD_PORT": "8125"}],
)
def test_unset_means_nothing_is_sent(environment, caplog):
    stats = Stats.from_environment(environment)
    assert not stats.enabled
    stats.incr("a")
    stats.gauge("a", 1)
    stats.timing("a", 1)
    assert caplog.records == []


@pytest.mark.parametrize("port", ["many", "0", "65536"])
def test_a_wrong_port_is_told_and_survived(port, caplog):
    environment = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": port}
    assert not Stats.from_environment(environment).enabled
    assert "STATSD_PORT is wrong" in caplog.text


def test_a_host_that_does_not_resolve_is_told_and_survived(monkeypatch, caplog):
    def fail(*args, **keywords):
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert not Stats.from_environment({"STATSD_HOST": "statsd.invalid"}).enabled
    assert "no such host" in caplog.text


@pytest.mark.parametrize(
    ("text", "part", "name", "project"),
    [
        ("gate", "gate", "gate", "gate"),
        ("org/project", "org_project", "org_project", "org.project"),
        (
            "gate-nova-python2.7",
            "gate-nova-python2.7",
            "gate-nova-python2_7",
            "gate-nova-python2.7",
        ),
        ("a:1|c\nb", "a_1_c_b", "a_1_c_b", "a_1_c_b"),
        ("../../etc", "_._._._._etc", "______etc", "_._._._._._.etc"),
        ("", "_", "_", "_"),
        ("größe", "gr__e", "gr__e", "gr__e"),
    ],
)
def test_keys_are_escaped(text, part, name, project):
    assert escape_name(text) == name
    assert escape_project(text) == project
    assert escape_part(text) == part


def test_parts_are_bounded():
    assert len(escape_part("x" * 10_000)) == 200
