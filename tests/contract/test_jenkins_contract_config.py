"""config.xml of jobs: read, changed and written back, as adding parameters does it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.contract.jenkins_site import JenkinsSite
from tests.sandbox.jenkins_xml import parsed

pytestmark = pytest.mark.integration


def test_what_is_read_may_be_written_back(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job("echo same", labels="linux || gcc", concurrent=False)
    path = f"job/{job}/config.xml"
    first = jenkins_site.raw("GET", path)
    assert first.status_code == 200
    assert first.headers["Content-Type"].startswith("application/xml")
    version = "1.1" if jenkins_site.modern else "1.0"
    assert first.text.startswith(f"<?xml version='{version}'")
    before = jenkins_site.get(f"job/{job}/")
    assert jenkins_site.post_xml(path, first.text).status_code == 200
    assert jenkins_site.get(f"job/{job}/") == before
    assert parsed(jenkins_site.raw("GET", path).text).findtext("assignedNode") == "linux || gcc"


def test_the_facts_that_functions_are_made_of(jenkins_site: JenkinsSite) -> None:
    tied = jenkins_site.job(labels="a && b", disabled=True)
    free = jenkins_site.job()
    root = parsed(jenkins_site.raw("GET", f"job/{tied}/config.xml").text)
    words = [root.findtext(tag) for tag in ("assignedNode", "canRoam", "disabled")]
    assert words == ["a && b", "false", "true"]
    root = parsed(jenkins_site.raw("GET", f"job/{free}/config.xml").text)
    words = [root.findtext(tag) for tag in ("assignedNode", "canRoam", "disabled")]
    assert words == [None, "true", "false"]
    if jenkins_site.modern:
        assert jenkins_site.get(f"job/{tied}/")["labelExpression"] == "a && b"


def test_declared_parameters_are_told(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    for holder in ("property", "actions"):
        tree = f"{holder}[parameterDefinitions[name,type]]"
        rows = jenkins_site.get(f"job/{job}/", tree=tree)[holder]
        for row in [row for row in rows if row]:
            found = [(one["name"], one["type"]) for one in row["parameterDefinitions"]]
            kind = "StringParameterDefinition"
            assert found == [("ZUUL_UUID", kind), ("WORDS", kind)]
        assert len(rows) == (1 if jenkins_site.modern else 2)


def test_a_parameter_is_added_to_the_list_that_counts(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job('echo "new=$NEW="')
    path = f"job/{job}/config.xml"
    root = parsed(jenkins_site.raw("GET", path).text)
    definitions = next(
        found
        for place in ("project-properties", "properties")
        for found in root.findall(f"{place}//parameterDefinitions")
    )
    row = ET.SubElement(definitions, "hudson.model.StringParameterDefinition")
    for tag, text in (("name", "NEW"), ("description", ""), ("defaultValue", "unset")):
        ET.SubElement(row, tag).text = text
    assert jenkins_site.post_xml(path, ET.tostring(root, "unicode")).status_code == 200
    uuid = jenkins_site.submitted(job, NEW="there")
    assert jenkins_site.finished(job, uuid)["parameters"]["NEW"] == "there"
    assert "new=there=" in jenkins_site.console(job, 1)


def test_in_the_other_place_of_an_old_masters_file_it_is_of_no_use(
    jenkins_site: JenkinsSite,
) -> None:
    job = jenkins_site.job()
    path = f"job/{job}/config.xml"
    root = parsed(jenkins_site.raw("GET", path).text)
    [definitions] = root.findall("properties//parameterDefinitions")
    row = ET.SubElement(definitions, "hudson.model.StringParameterDefinition")
    for tag, text in (("name", "NEW"), ("description", ""), ("defaultValue", "unset")):
        ET.SubElement(row, tag).text = text
    assert jenkins_site.post_xml(path, ET.tostring(root, "unicode")).status_code == 200
    rows = jenkins_site.get(f"job/{job}/", tree="property[parameterDefinitions[name]]")["property"]
    names = [[one["name"] for one in row["parameterDefinitions"]] for row in rows]
    both = ["ZUUL_UUID", "WORDS", "NEW"]
    assert names == ([both] if jenkins_site.modern else [both, ["ZUUL_UUID", "WORDS"]])
    uuid = jenkins_site.submitted(job, NEW="there")
    found = jenkins_site.finished(job, uuid)["parameters"]
    assert ("NEW" in found) is jenkins_site.modern


def test_old_masters_drop_text_parameters(jenkins_site: JenkinsSite) -> None:
    text = """<project><builders/><properties><hudson.model.ParametersDefinitionProperty>
        <parameterDefinitions><hudson.model.TextParameterDefinition><name>LINES</name>
        <description/><defaultValue/></hudson.model.TextParameterDefinition>
        </parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties></project>"""
    name = "text-parameter"
    assert jenkins_site.post_xml("createItem", text, name=name).status_code == 200
    tree = "property[parameterDefinitions[name]]"
    rows = jenkins_site.get(f"job/{name}/", tree=tree)["property"]
    names = [one["name"] for row in rows for one in row["parameterDefinitions"]]
    assert names == (["LINES"] if jenkins_site.modern else [])


def test_what_is_no_job_is_refused(jenkins_site: JenkinsSite) -> None:
    job = jenkins_site.job()
    assert jenkins_site.post_xml("createItem", "<project/>", name=job).status_code == 400
    assert jenkins_site.post_xml("createItem", "<project/>").status_code == 400
    assert jenkins_site.post_xml("createItem", "<project", name="broken").status_code == 500
    assert jenkins_site.post_xml(f"job/{job}/config.xml", "<project").status_code == 500
