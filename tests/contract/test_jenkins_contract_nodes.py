"""Nodes: what is told of them, offline and back, made and deleted as the bridge's users do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.contract.jenkins_site import JenkinsSite, wait_for

pytestmark = pytest.mark.integration

ALL_NODES = "label/%21no-such-label/"


@pytest.fixture(scope="module", params=["sandbox-modern", "sandbox-old", "real-hudson"])
def node_site(request: pytest.FixtureRequest) -> Iterator[tuple[JenkinsSite, str]]:
    """A site, and a node of it with the labels `linux` and `gcc`."""
    site = request.getfixturevalue(request.param.replace("-", "_"))
    assert isinstance(site, JenkinsSite)
    node = site.node("linux gcc", executors=2, mode="EXCLUSIVE")
    # An agent of Hudson that is interrupted in its very first build never gets well again.
    job = site.job(labels=node)
    site.finished(job, site.submitted(job))
    yield site, node
    site.post(f"computer/{node}/doDelete")


def test_labels_and_modes_of_all_nodes_in_one_request(node_site: tuple[JenkinsSite, str]) -> None:
    site, node = node_site
    tree = "nodes[nodeName,mode,numExecutors,assignedLabels[name]]"
    rows = {row["nodeName"]: row for row in site.get(ALL_NODES, tree=tree)["nodes"]}
    mine = rows[node]
    assert (mine["mode"], mine["numExecutors"]) == ("EXCLUSIVE", 2)
    assert sorted(one["name"] for one in mine["assignedLabels"]) == ["gcc", "linux", node]
    assert rows[""]["mode"] == "NORMAL"


@pytest.mark.parametrize(
    ("expression", "fits"),
    [("linux", True), ("linux%26%26gcc", True), ("linux%26%26!gcc", False), ("none", False)],
)
def test_which_nodes_an_expression_fits(
    node_site: tuple[JenkinsSite, str], expression: str, fits: bool
) -> None:
    site, node = node_site
    rows = site.get(f"label/{expression}/", tree="nodes[nodeName]")["nodes"]
    assert (node in [row["nodeName"] for row in rows]) is fits


def test_a_running_build_is_told_with_its_parameters(node_site: tuple[JenkinsSite, str]) -> None:
    site, node = node_site
    job = site.job("sleep 60", labels="linux && gcc")
    uuid = site.submitted(job)
    row = site.running(job, uuid)
    assert row["builtOn"] == node
    tree = (
        "computer[displayName,offline,temporarilyOffline,numExecutors,idle,"
        "executors[currentExecutable[url,number,actions[parameters[name,value]]]],"
        "oneOffExecutors[currentExecutable[url]]]"
    )
    rows = {one["displayName"]: one for one in site.get("computer/", tree=tree)["computer"]}
    mine = rows[node]
    assert (mine["offline"], mine["temporarilyOffline"], mine["idle"]) == (False, False, False)
    assert (mine["numExecutors"], mine["oneOffExecutors"]) == (2, [])
    busy = [one["currentExecutable"] for one in mine["executors"] if one["currentExecutable"]]
    assert [(one["number"], one["url"]) for one in busy] == [(1, row["url"])]
    words = [p["value"] for a in busy[0]["actions"] for p in a.get("parameters", ())]
    assert uuid in words
    site.post(f"job/{job}/1/stop")
    site.finished(job, uuid)


def test_offline_is_a_toggle_and_disturbs_no_build(node_site: tuple[JenkinsSite, str]) -> None:
    site, node = node_site
    job = site.job("sleep 1", labels=node)
    running = site.submitted(job)
    site.running(job, running)
    path = f"computer/{node}/toggleOffline"
    assert site.post(path, offlineMessage="for a reason").status_code == 302
    row = site.get(f"computer/{node}/")
    assert (row["offline"], row["temporarilyOffline"]) == (True, True)
    if site.modern:
        assert row["offlineCauseReason"] == "for a reason"
    waiting = site.submitted(job)
    site.queued(job, waiting, node)
    assert site.finished(job, running)["result"] == "SUCCESS", site.console(job, 1)
    assert site.builds(job, waiting) == []
    assert site.post(path, offlineMessage="again").status_code == 302
    row = site.get(f"computer/{node}/")
    assert (row["offline"], row["temporarilyOffline"]) == (False, False)
    assert site.finished(job, waiting)["builtOn"] == node


def test_the_masters_own_node(node_site: tuple[JenkinsSite, str]) -> None:
    site, _node = node_site
    name = "Built-In Node" if site.modern else "master"
    path = "(built-in)" if site.modern else "(master)"
    assert site.get(f"computer/{path}/")["displayName"] == name


def test_a_deleted_node_takes_its_build_along(node_site: tuple[JenkinsSite, str]) -> None:
    site, _node = node_site
    node = site.node("doomed")
    job = site.job("sleep 60", labels="doomed")
    uuid = site.submitted(job)
    site.running(job, uuid)
    assert site.post(f"computer/{node}/doDelete").status_code == 302
    row = site.finished(job, uuid)
    assert (row["result"], row["builtOn"]) == ("ABORTED" if site.modern else "FAILURE", node)
    names = [one["displayName"] for one in site.get("computer/")["computer"]]
    assert node not in names
    assert site.raw("GET", f"computer/{node}/api/json").status_code == 404


def test_a_node_is_made_as_python_jenkins_does(node_site: tuple[JenkinsSite, str]) -> None:
    """Old masters want the name inside the json field as well."""
    site, _node = node_site
    inner = {
        "nodeDescription": "made by a form",
        "numExecutors": 3,
        "remoteFS": "/tmp/made",
        "labelString": "made by-form",
        "mode": "NORMAL",
        "retentionStrategy": {"stapler-class": "hudson.slaves.RetentionStrategy$Always"},
        "nodeProperties": {"stapler-class-bag": "true"},
        "launcher": {"stapler-class": "hudson.slaves.JNLPLauncher"},
    }
    form = {"name": "made", "type": "hudson.slaves.DumbSlave$DescriptorImpl"}
    nameless = site.post("computer/doCreateItem", {**form, "json": json.dumps(inner)})
    assert nameless.status_code == (302 if site.modern else 500)
    if not site.modern:
        whole = json.dumps({**inner, "name": "made"})
        assert site.post("computer/doCreateItem", {**form, "json": whole}).status_code == 302
    row = wait_for(lambda: site.computer("made"))
    assert row["numExecutors"] == 3
    assert site.post("computer/made/doDelete").status_code == 302
    assert site.post("computer/made/toggleOffline").status_code == 404
