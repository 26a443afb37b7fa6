"""config.xml of jobs and nodes: made, read, changed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from tests.sandbox import jenkins_old_xml as old
from tests.sandbox.jenkins_model import PARAMETER_KINDS, Job, Mode, Node, Parameter

_HEADER = re.compile(r"^\s*<\?xml[^>]*\?>\s*")
PARAMETERS = "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions"
FOLDER_TAG = "com.cloudbees.hudson.plugins.folder.Folder"


class BadConfig(ValueError):
    """A config.xml that Jenkins would refuse."""


def parsed(text: str) -> ET.Element:
    """Jenkins writes XML 1.1, which Python's parser does not take; the header goes first."""
    try:
        return ET.fromstring(_HEADER.sub("", text))
    except ET.ParseError as error:
        raise BadConfig(str(error)) from error


def written(root: ET.Element, *, modern: bool) -> str:
    ET.indent(root)
    version = "1.1" if modern else "1.0"
    return f"<?xml version='{version}' encoding='UTF-8'?>\n" + ET.tostring(root, "unicode")


def is_folder(text: str) -> bool:
    return parsed(text).tag == FOLDER_TAG


# -- jobs --------------------------------------------------------------------------------------


def job_xml(
    scripts: Iterable[str],
    *,
    label: str | None = None,
    parameters: Iterable[Parameter] = (),
    concurrent: bool = False,
    disabled: bool = False,
    description: str = "",
    quiet_seconds: float | None = None,
    modern: bool = True,
) -> str:
    """A freestyle job with shell steps."""
    root = ET.Element("project")
    _text(root, "actions", "")
    _text(root, "description", description)
    _text(root, "keepDependencies", "false")
    properties = ET.SubElement(root, "properties")
    declared = list(parameters)
    if declared:
        holder = ET.SubElement(properties, "hudson.model.ParametersDefinitionProperty")
        definitions = ET.SubElement(holder, "parameterDefinitions")
        for parameter in declared:
            _parameter(definitions, parameter)
    ET.SubElement(root, "scm", {"class": "hudson.scm.NullSCM"})
    if quiet_seconds is not None:
        _text(root, "quietPeriod", str(int(quiet_seconds)))
    if label:
        _text(root, "assignedNode", label)
    _text(root, "canRoam", "false" if label else "true")
    _text(root, "disabled", _word(disabled))
    _text(root, "blockBuildWhenDownstreamBuilding", "false")
    _text(root, "blockBuildWhenUpstreamBuilding", "false")
    ET.SubElement(root, "triggers")
    _text(root, "concurrentBuild", _word(concurrent))
    builders = ET.SubElement(root, "builders")
    for script in scripts:
        _text(ET.SubElement(builders, "hudson.tasks.Shell"), "command", script)
    ET.SubElement(root, "publishers")
    ET.SubElement(root, "buildWrappers")
    return written(root, modern=modern)


def read_job(job: Job, text: str, *, modern: bool) -> None:
    """Make the job what its config.xml says. BadConfig if there is no such thing as a job in it.
    Old masters drop parameters of types they do not know."""
    root = parsed(text)
    if root.tag not in ("project", "hudson.model.FreeStyleProject", "maven2-moduleset"):
        raise BadConfig(f"<{root.tag}> is no job")
    can_roam = _value(root, "canRoam", "true") == "true"
    label = _value(root, "assignedNode", "")
    quiet = _value(root, "quietPeriod", "")
    job.xml = text
    job.description = _value(root, "description", "")
    job.disabled = _value(root, "disabled", "false") == "true"
    job.label = label if label and not can_roam else None
    job.quiet_seconds = float(quiet) if quiet else None
    job.steps = tuple(_read_step(row) for row in root.findall("builders/hudson.tasks.Shell"))
    if modern:
        job.concurrent = _value(root, "concurrentBuild", "false") == "true"
        job.parameters = job.shown = tuple(_read_parameters(root.find(PARAMETERS)))
        return
    if old.to_hudson_form(root):
        job.xml = written(root, modern=False)
    job.concurrent = old.is_concurrent(root)
    counting, shown = old.definitions_that_count(root), old.definitions_shown(root)
    job.parameters = tuple(p for p in _read_parameters(counting) if p.kind != "Text")
    job.shown = tuple(p for p in _read_parameters(shown) if p.kind != "Text")


def with_disabled(text: str, disabled: bool, *, modern: bool) -> str:
    root = parsed(text)
    _set(root, "disabled", _word(disabled))
    return written(root, modern=modern)


def folder_xml(*, modern: bool) -> str:
    root = ET.Element(FOLDER_TAG)
    _text(root, "description", "")
    return written(root, modern=modern)


def _read_parameters(definitions: ET.Element | None) -> Iterable[Parameter]:
    for row in () if definitions is None else definitions:
        kind = row.tag.rpartition(".")[2].removesuffix("ParameterDefinition")
        if kind not in PARAMETER_KINDS:
            continue
        choices = tuple(c.text or "" for c in row.findall("choices/a/string"))
        choices = choices or tuple(c.text or "" for c in row.findall("choices/string"))
        default = _value(row, "defaultValue", choices[0] if choices else "")
        yield Parameter(
            _value(row, "name", ""), kind, default, choices, _value(row, "description", "")
        )


def _read_step(row: ET.Element) -> tuple[str, int | None]:
    unstable = _value(row, "unstableReturn", "")
    return _value(row, "command", ""), int(unstable) if unstable.isdigit() else None


def _parameter(parent: ET.Element, parameter: Parameter) -> None:
    row = ET.SubElement(parent, f"hudson.model.{parameter.kind}ParameterDefinition")
    _text(row, "name", parameter.name)
    _text(row, "description", parameter.description)
    if parameter.kind == "Choice":
        choices = ET.SubElement(row, "choices", {"class": "java.util.Arrays$ArrayList"})
        array = ET.SubElement(choices, "a", {"class": "string-array"})
        for choice in parameter.choices:
            _text(array, "string", choice)
    else:
        _text(row, "defaultValue", parameter.default)


# -- nodes -------------------------------------------------------------------------------------


def node_xml(node: Node, *, modern: bool) -> str:
    root = ET.Element("slave")
    _text(root, "name", node.name)
    _text(root, "description", node.description)
    _text(root, "remoteFS", f"/tmp/{node.name}")
    _text(root, "numExecutors", str(node.executors))
    _text(root, "mode", node.mode)
    ET.SubElement(root, "retentionStrategy", {"class": "hudson.slaves.RetentionStrategy$Always"})
    kind = str(node.launcher.get("stapler-class", "hudson.slaves.JNLPLauncher"))
    launcher = ET.SubElement(root, "launcher", {"class": kind})
    for name, value in node.launcher.items():
        if isinstance(value, dict):
            ET.SubElement(launcher, name, {"class": str(value.get("stapler-class"))})
        elif name != "stapler-class":
            _text(launcher, name, str(value))
    _text(root, "label", " ".join(sorted(node.labels)))
    ET.SubElement(root, "nodeProperties")
    return written(root, modern=modern)


def read_node(node: Node, text: str) -> None:
    """Labels, executors, mode and description from config.xml; the name stays."""
    root = parsed(text)
    try:
        node.executors = int(_value(root, "numExecutors", "1"))
    except ValueError as error:
        raise BadConfig(f"numExecutors: {error}") from error
    node.labels = frozenset(_value(root, "label", "").split())
    node.mode = mode_of(_value(root, "mode", "NORMAL"))
    node.description = _value(root, "description", "")
    node.xml = text


def mode_of(word: str) -> Mode:
    if word == "NORMAL":
        return "NORMAL"
    if word == "EXCLUSIVE":
        return "EXCLUSIVE"
    raise BadConfig(f"{word!r} is no mode")


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _set(root: ET.Element, tag: str, text: str) -> None:
    found = root.find(tag)
    if found is None:
        found = ET.SubElement(root, tag)
    found.text = text


def _value(root: ET.Element, tag: str, default: str) -> str:
    text = root.findtext(tag)
    return default if text is None else text


def _word(yes: bool) -> str:
    return "true" if yes else "false"
