"""Declaring parameters in config.xml: what is added, and that nothing else changes."""

from __future__ import annotations

import difflib

import pytest

from gearman_plugin_shim.jenkins_job_xml import (
    STRING,
    BadJobXml,
    add_parameters,
    declared_parameters,
)

EMPTY = (
    b"<?xml version='1.1' encoding='UTF-8'?>\n<project>\n  <properties/>\n  <x a='>'/>\n</project>"
)
PROPERTY = "hudson.model.ParametersDefinitionProperty"
#: Hudson 2 keeps the definitions apart and refers to them from the old place
HUDSON = f"""<project>
  <project-properties class="java.util.concurrent.ConcurrentHashMap">
    <entry>
      <string>parametersDefinitionProperties</string>
      <org.hudsonci.model.project.property.BaseProjectProperty>
        <originalValue class="{PROPERTY}">
          <parameterDefinitions>
            <hudson.model.StringParameterDefinition>
              <name>A</name>
            </hudson.model.StringParameterDefinition>
          </parameterDefinitions>
        </originalValue>
      </org.hudsonci.model.project.property.BaseProjectProperty>
    </entry>
  </project-properties>
  <properties>
    <{PROPERTY}>
      <parameterDefinitions>
        <hudson.model.StringParameterDefinition reference="../../../../project-properties/entry"/>
      </parameterDefinitions>
    </{PROPERTY}>
  </properties>
</project>
""".encode()


def added(before: bytes, after: bytes) -> list[str]:
    """Added lines, stripped; fails if a line was taken away."""
    lines = list(difflib.ndiff(before.decode().splitlines(), after.decode().splitlines()))
    assert [line for line in lines if line.startswith("- ")] in ([], ["-   <properties/>"])
    return [line[2:].strip() for line in lines if line.startswith("+ ")]


@pytest.mark.parametrize(
    "before",
    [
        EMPTY,
        EMPTY.replace(b"\n", b"\r\n"),
        EMPTY.replace(b"  <properties/>\n", b""),
        EMPTY.replace(b"<properties/>", b"<properties></properties>"),
        EMPTY.replace(b"<properties/>", b'<properties plugin="a&gt;b"  />'),
        HUDSON,
    ],
)
def test_parameters_are_added_once(before: bytes) -> None:
    after = add_parameters(before, ["ZUUL_UUID", "B"])
    assert declared_parameters(after) >= {"ZUUL_UUID", "B"}
    assert after.count(b"<name>ZUUL_UUID</name>") == 1
    assert add_parameters(after, ["B", "ZUUL_UUID"]) is after
    assert b"\r\n" in before or b"\r\n" not in after
    if b"\r\n" in before:
        assert after.replace(b"\r\n", b"").count(b"\n") == 0


def test_everything_else_stays_byte_for_byte() -> None:
    after = add_parameters(EMPTY, ["A"])
    assert after.startswith(b"<?xml version='1.1' encoding='UTF-8'?>\n<project>\n  <properties>\n")
    assert after.endswith(b"\n  </properties>\n  <x a='>'/>\n</project>")


def test_a_further_parameter_joins_those_there_are() -> None:
    before = add_parameters(EMPTY, ["A"])
    after = add_parameters(before, ["A", "C<"])
    assert added(before, after)[0].startswith("<hudson.model.TextParameterDefinition>")
    assert after.count(PROPERTY.encode()) == 2
    assert declared_parameters(after) == {"A", "C<"}


def test_hudson_gets_its_kind_where_it_keeps_them() -> None:
    after = add_parameters(HUDSON, ["A", "B"], kind=STRING)
    assert added(HUDSON, after) == [
        "<hudson.model.StringParameterDefinition>",
        "<name>B</name>",
        "<description></description>",
        "<defaultValue></defaultValue>",
        "</hudson.model.StringParameterDefinition>",
    ]
    assert after.index(b"<name>B</name>") < after.index(b"</project-properties>")


def test_hudson_gets_the_first_parameter_where_it_keeps_them() -> None:
    before = b"""<project>
  <project-properties>
    <entry>
      <string>other</string>
      <scm-property>
        <originalValue class="hudson.scm.NullSCM"/>
      </scm-property>
    </entry>
    <entry>
      <string>parametersDefinitionProperties</string>
      <copy-write-list-property>
        <originalValue class="hudson.util.CopyOnWriteList"/>
      </copy-write-list-property>
    </entry>
  </project-properties>
  <properties/>
</project>"""
    after = add_parameters(before, ["A"], kind=STRING)
    assert declared_parameters(after) == {"A"}
    assert b'<originalValue class="hudson.util.CopyOnWriteList">\n' in after
    assert after.endswith(b"</project-properties>\n  <properties/>\n</project>")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html><body><p></body></html>",
        b"<project/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><project></project>",
    ],
)
def test_what_is_no_job_is_refused(text: bytes) -> None:
    with pytest.raises(BadJobXml):
        add_parameters(text, ["A"])
