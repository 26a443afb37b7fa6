"""Forms, surveys, config.xml and error pages: what goes to a Jenkins and comes from it."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from nodepool.config.values import JenkinsConfig
from nodepool.core.commands import RegisterNode
from nodepool.core.events import Computer
from nodepool.drivers.jenkins_rows import (
    MOST_SAID,
    check_name,
    node_form,
    parse_computers,
    reason_of,
    with_label,
)
from nodepool.drivers.offers import manager_of
from nodepool.errors import TargetError
from nodepool.model import Machine, Node, NodeState
from zuul.lib.secret import Secret

NODE = Node(
    id=7,
    provider="cloud",
    label="bare",
    target="j",
    state=NodeState.BUILDING,
    state_at=0.0,
    machines=(Machine("bare-cloud-7", ip="10.1.2.3"), Machine("sub", ip="10.1.2.4")),
    nodename="bare-cloud-7",
)
CALL = RegisterNode(NODE, "bare", "jenkins", "/keys/id_rsa", "/home/jenkins")


def form(config: JenkinsConfig, call: RegisterNode = CALL) -> dict[str, Any]:
    fields = node_form(call, config)
    assert (fields["name"], fields["type"]) == (
        "bare-cloud-7",
        "hudson.slaves.DumbSlave$DescriptorImpl",
    )
    found = json.loads(fields["json"])
    assert isinstance(found, dict)
    return found


def test_a_node_as_the_contract_wants_it() -> None:
    found = form(JenkinsConfig("http://j/", "np", Secret("word")))
    launcher = found.pop("launcher")
    assert found == {
        "name": "bare-cloud-7",
        "type": "hudson.slaves.DumbSlave$DescriptorImpl",
        "nodeDescription": "Dynamic single use bare node",
        "numExecutors": 1,
        "remoteFS": "/home/jenkins",
        "labelString": "bare",
        "mode": "EXCLUSIVE",
        "retentionStrategy": {"stapler-class": "hudson.slaves.RetentionStrategy$Always"},
        "nodeProperties": {"stapler-class-bag": "true"},
    }
    assert launcher["stapler-class"] == "hudson.plugins.sshslaves.SSHLauncher"
    assert (launcher["host"], launcher["port"]) == ("10.1.2.3", 22)
    assert (launcher["username"], launcher["privatekey"]) == ("jenkins", "/keys/id_rsa")
    assert "credentialsId" not in launcher


def test_credentials_of_the_master_instead_of_a_key_file() -> None:
    launcher = form(JenkinsConfig("http://j/", "np", Secret("word"), "cred-1"))["launcher"]
    assert launcher["credentialsId"] == "cred-1"
    assert not {"username", "privatekey"} & launcher.keys()


@pytest.mark.parametrize("name", ["", ".", "..", "(master)", "(built-in)"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(TargetError):
        check_name(name)


def test_computers() -> None:
    rows = [
        {"displayName": "master", "idle": True, "offline": False},
        {"displayName": "n 1", "idle": False, "offline": True, "_class": "x"},
    ]
    assert parse_computers({"computer": rows}) == {
        "master": Computer(True, False),
        "n 1": Computer(False, True),
    }


def test_an_old_master_without_executors_or_nodes() -> None:
    assert parse_computers({"computer": [], "totalExecutors": 0}) == {}


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"computer": None},
        {"computer": []},
        {"computer": [], "totalExecutors": 2},
        {"computer": {}, "totalExecutors": 0},
        {"computer": ["master"]},
        {"computer": [{"displayName": "n", "idle": True}]},
        {"computer": [{"displayName": "n", "idle": "yes", "offline": False}]},
        {"computer": [{"displayName": None, "idle": True, "offline": False}]},
    ],
)
def test_a_part_of_the_computers_is_none_of_them(found: dict[str, Any]) -> None:
    """Nodes that a survey lacks are removed: it must not lack any by mistake."""
    with pytest.raises(TargetError):
        parse_computers(found)


HEAD = "<?xml version='1.1' encoding='UTF-8'?>\n<slave><numExecutors>1</numExecutors>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n  <label/>\n</slave>", "\n  <label>b</label>\n</slave>"),
        ("<label></label></slave>", "<label>b</label></slave>"),
        ("<label>x y</label><a/></slave>", "<label>b</label><a/></slave>"),
        ("\r\n<name>ü</name></slave>", "\r\n<name>ü</name><label>b</label></slave>"),
        (
            "<launcher><label>mine</label></launcher><label >x</label ></slave>\n",
            "<launcher><label>mine</label></launcher><label>b</label></slave>\n",
        ),
        (
            "<!-- <label/> --><label><!-- > -->x</label></slave>",
            "<!-- <label/> --><label>b</label></slave>",
        ),
    ],
)
def test_a_label_is_changed_and_nothing_else(before: str, after: str) -> None:
    for head in (HEAD, HEAD.partition("\n")[2]):
        assert with_label((head + before).encode(), "b").decode() == head + after


def test_a_label_is_data() -> None:
    label = "</label><evil/>&amp;"
    changed = with_label(b"<slave><numExecutors/><label/></slave>", label)
    root = ElementTree.fromstring(changed)
    assert root.findtext("label") == label
    assert [each.tag for each in root] == ["numExecutors", "label"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html><p>Log in</html>",
        b"<html><p>Log in</p></html>",
        b"<slave><numExecutors/><label>",
        b"<slave/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><slave><numExecutors/><label>&a;</label></slave>',
    ],
)
def test_what_is_no_configuration_of_a_node(text: bytes) -> None:
    with pytest.raises(TargetError):
        with_label(text, "b")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<h1>Error</h1><p>'/' is an unsafe\n character</p>", "'/' is an unsafe character"),
        ("<h2>HTTP ERROR 404 &lt;here&gt;</h2>", "HTTP ERROR 404 <here>"),
        ("<title>Error 500</title>", "Error 500"),
        ("<h1>Error</h1><p> </p><title>Ha</title>", "Ha"),
        ("<h2>red\x1b[31m<script>x()</script></h2>", "red [31m"),
        ("no page at all", ""),
        ("", ""),
    ],
)
def test_what_an_error_page_says(page: str, said: str) -> None:
    assert reason_of(page) == said


def test_what_an_error_page_says_has_an_end() -> None:
    assert len(reason_of(f"<h2>{'long ' * 1000}</h2>")) == MOST_SAID
    assert reason_of("<h2>" * 100_000) == ""


@pytest.mark.parametrize(
    ("data", "manager"),
    [
        (b'{"manager": "launcher-1"}', "launcher-1"),
        (b'{"manager": null}', None),
        (b'{"manager": ""}', None),
        (b'{"manager": "%s"}' % (b"x" * 300), None),
        (b"[1]", None),
        (b"", None),
        (b"\xff{", None),
        (b"[" * 100_000, None),
    ],
)
def test_who_took_a_node(data: bytes, manager: str | None) -> None:
    assert manager_of(data) == manager
