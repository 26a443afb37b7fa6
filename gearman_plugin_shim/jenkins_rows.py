"""A master's JSON and XML as rows of plain values; what is not understood is left out. Pure.

Masters of all ages are asked the same with `tree=` and leave out what they do not know: a None here
means that the master did not say, and config.xml has to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree

from gearman_plugin_shim.model import BuildId, BuildInfo, Executor, QueueItem
from zuul.lib.jenkins.paths import parse_place

UUID: Final = "ZUUL_UUID"
#: stands for whatever keeps an executor busy and is no build of a job that we could name
NOT_A_BUILD: Final = BuildId("", 0)
#: index of executors that take no place
ONE_OFF: Final = -1
#: of queue items whose master gives them none
NO_ID: Final = 0

_PARAMETERS: Final = "actions[parameters[name,value]]"
_BUILD: Final = (
    "url,number,building,result,timestamp,duration,estimatedDuration,builtOn," + _PARAMETERS
)
_COMPUTER: Final = (
    "displayName,offline,temporarilyOffline,numExecutors,description,assignedLabels[name]"
)
_JOB: Final = (
    "name,url,buildable,color,concurrentBuild,labelExpression,lastBuild[number],"
    # `actions` tells the same again, and this is most of the answer.
    "property[parameterDefinitions[name]]"
)
#: folders within folders, as deep as anybody nests them
_DEPTH: Final = 6
BUILD_TREE: Final = _BUILD
BUILDS_TREE: Final = f"builds[{_BUILD}]"
#: every node is in it, as no node has the label: modes and labels of all in one request
ALL_NODES_PATH: Final = "label/%21no-such-label/api/json"
NODES_TREE: Final = "nodes[nodeName,mode,assignedLabels[name]]"
QUEUE_TREE: Final = "items[id,why,stuck,params,task[name,url],actions[parameters[name,value]]]"
#: names of the master's own computer, and where its pages are
_OWN_COMPUTERS: Final = {"master": "(master)", "Built-In Node": "(built-in)"}
_PARAMS_LINE: Final = re.compile(
    r"(?:\(\w+\) )?(?P<name>[^=]+)=(?:'(?P<quoted>.*)'|(?P<plain>.*))$"
)
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclass(frozen=True, slots=True)
class ComputerRow:
    """One computer."""

    #: "" for the master's own
    name: str
    #: in paths of URLs
    url_name: str
    offline: bool
    temporarily_offline: bool
    executors: int
    #: None: not told
    labels: frozenset[str] | None
    busy: tuple[Executor, ...]
    description: str | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job, not a folder."""

    #: folders and name
    full_name: str
    name: str
    buildable: bool
    concurrent: bool | None
    #: label expression, "" for none; None: not told
    label: str | None
    parameters: frozenset[str]
    last_build: int | None


@dataclass(frozen=True, slots=True)
class JobConfig:
    """What config.xml says of a job."""

    label: str
    disabled: bool
    concurrent: bool


@dataclass(frozen=True, slots=True)
class NodeRow:
    """What the list of a label's nodes tells of one."""

    #: NORMAL or EXCLUSIVE
    mode: str
    #: its own name among them
    labels: frozenset[str]


def computers_tree(*, detailed: bool) -> str:
    """All computers with what they run; `detailed`: with all that is told of running builds."""
    slot = f"currentExecutable[{_BUILD if detailed else 'url,number'}]"
    return f"computer[{_COMPUTER},executors[number,{slot}],oneOffExecutors[number,{slot}]]"


def jobs_tree() -> str:
    """Jobs in folders are asked for level by level: `tree=` has no recursion."""
    tree = _JOB
    for _ in range(_DEPTH):
        tree = f"{_JOB},jobs[{tree}]"
    return f"mode,quietingDown,assignedLabels[name],jobs[{tree}]"


def parse_computers(found: Mapping[str, Any], *, detailed: bool) -> tuple[ComputerRow, ...]:
    rows = [_computer(row, detailed) for row in _rows(found.get("computer"))]
    return tuple(row for row in rows if row is not None)


def _computer(row: Mapping[str, Any], detailed: bool) -> ComputerRow | None:
    display_name = row.get("displayName")
    if not isinstance(display_name, str) or not display_name:
        return None
    url_name = _own_url_name(row, display_name)
    labels = _names(row["assignedLabels"]) if "assignedLabels" in row else None
    slots = enumerate(_rows(row.get("executors")))
    busy = [_executor(slot, _integer(slot.get("number"), at), detailed) for at, slot in slots]
    busy += [_executor(slot, ONE_OFF, detailed) for slot in _rows(row.get("oneOffExecutors"))]
    description = row.get("description")
    return ComputerRow(
        name="" if url_name else display_name,
        url_name=url_name or display_name,
        offline=row.get("offline") is not False,
        temporarily_offline=row.get("temporarilyOffline") is True,
        executors=_integer(row.get("numExecutors"), 0),
        labels=labels,
        busy=tuple(executor for executor in busy if executor is not None),
        description=description if isinstance(description, str) else None,
    )


def _own_url_name(row: Mapping[str, Any], display_name: str) -> str | None:
    """Where the master's own computer is; None for any other."""
    kind = row.get("_class")
    if isinstance(kind, str) and not kind.endswith("MasterComputer"):
        return None
    return _OWN_COMPUTERS.get(display_name)


def parse_nodes(found: Mapping[str, Any]) -> dict[str, NodeRow]:
    """Nodes by name, "" for the master's own."""
    nodes = {}
    for row in _rows(found.get("nodes")):
        name, mode = row.get("nodeName"), row.get("mode")
        if isinstance(name, str):
            words = mode if isinstance(mode, str) else "NORMAL"
            nodes[name] = NodeRow(words, _names(row.get("assignedLabels")))
    return nodes


def _executor(row: Mapping[str, Any], index: int, detailed: bool) -> Executor | None:
    executable = row.get("currentExecutable")
    if not isinstance(executable, dict):
        return None
    build = parse_build(executable, detailed=detailed)
    return Executor(index, build or BuildInfo(NOT_A_BUILD))


def parse_build(row: Mapping[str, Any], *, detailed: bool = True) -> BuildInfo | None:
    """A build; None for what is no build of a job we could name."""
    url = row.get("url")
    place = parse_place(url)
    if place is None or place.number is None:
        return None
    build = BuildId(place.job, place.number)
    if not detailed:
        return BuildInfo(build, url=_shown_url(url))
    node, result, started = row.get("builtOn"), row.get("result"), row.get("timestamp")
    return BuildInfo(
        build,
        parameters=_parameters(row),
        building=row.get("building") is True,
        result=result if isinstance(result, str) and result else None,
        node=node if isinstance(node, str) else None,
        started_at=started / 1000 if isinstance(started, int) else None,
        duration_ms=_integer(row.get("duration"), 0) or None,
        estimated_ms=_integer(row.get("estimatedDuration"), -1),
        url=_shown_url(url),
    )


def _shown_url(url: object) -> str | None:
    """For people; a master that calls itself localhost has not been told its name."""
    host = urlsplit(str(url)).hostname
    return None if host in (None, "localhost") else str(url)


def parse_builds(found: Mapping[str, Any]) -> tuple[BuildInfo, ...]:
    """The builds of one job, newest first."""
    builds = [parse_build(row) for row in _rows(found.get("builds"))]
    return tuple(build for build in builds if build is not None)


def parse_items(found: Mapping[str, Any]) -> tuple[QueueItem, ...]:
    """The queue."""
    items = [parse_item(row) for row in _rows(found.get("items"))]
    return tuple(item for item in items if item is not None)


def parse_item(row: Mapping[str, Any]) -> QueueItem | None:
    task, number, why = row.get("task"), row.get("id"), row.get("why")
    if not isinstance(number, int):
        number = NO_ID
    place = parse_place(task.get("url")) if isinstance(task, dict) else None
    parameters = _parameters(row) or _params_text(row.get("params"))
    uuid = parameters.get(UUID) or None
    return QueueItem(
        number, place.job if place else None, uuid, why if isinstance(why, str) else ""
    )


def parse_jobs(found: Mapping[str, Any]) -> tuple[JobRow, ...]:
    """Every job of the answer, those in folders too."""
    return tuple(_jobs_below(found, 0))


def _jobs_below(found: Mapping[str, Any], depth: int) -> Iterator[JobRow]:
    for row in _rows(found.get("jobs")):
        place = parse_place(row.get("url"))
        name = row.get("name")
        if isinstance(row.get("jobs"), list) and depth <= _DEPTH:
            yield from _jobs_below(row, depth + 1)
        elif place is not None and isinstance(name, str) and ("buildable" in row or "color" in row):
            label = row.get("labelExpression")
            told = "labelExpression" in row
            concurrent = row.get("concurrentBuild")
            yield JobRow(
                full_name=place.job,
                name=name,
                buildable=row.get("buildable") is not False and row.get("color") != "disabled",
                concurrent=concurrent if isinstance(concurrent, bool) else None,
                label=(label if isinstance(label, str) else "") if told else None,
                parameters=_declared(row),
                last_build=_last_build(row),
            )


def _last_build(row: Mapping[str, Any]) -> int | None:
    last = row.get("lastBuild")
    if isinstance(last, dict):
        return _integer(last.get("number"), 0)
    return 0 if "lastBuild" in row else None


def _declared(row: Mapping[str, Any]) -> frozenset[str]:
    """Names of the parameters that a POST may set.

    A Hudson may list the property twice, the second time as its project has it: that one counts.
    """
    lists = [
        part["parameterDefinitions"]
        for part in _rows(row.get("property"))
        if part.get("parameterDefinitions") is not None
    ]
    return frozenset(_names(lists[-1])) if lists else frozenset()


def parse_job_config(text: bytes) -> JobConfig | None:
    """A job's config.xml; None if it is none."""
    root = _xml(text)
    if root is None:
        return None
    roams = _text(root, "canRoam") == "true"
    return JobConfig(
        label="" if roams else _text(root, "assignedNode"),
        disabled=_text(root, "disabled") == "true",
        concurrent=_text(root, "concurrentBuild") == "true",
    )


def _xml(text: bytes) -> ElementTree.Element | None:
    # Jenkins writes version 1.1, which the parser does not know. A document type could make a
    # small file a large one; neither a job's nor a node's has one.
    body = _DECLARATION.sub("", text.decode("utf-8", "replace"), count=1)
    if "<!DOCTYPE" in body:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError:
        return None


def _text(root: ElementTree.Element, tag: str) -> str:
    return (root.findtext(tag) or "").strip()


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _names(value: object) -> frozenset[str]:
    names = [row.get("name") for row in _rows(value)]
    return frozenset(name for name in names if isinstance(name, str) and name)


def _integer(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _parameters(row: Mapping[str, Any]) -> dict[str, str]:
    """Names and values; a later parameter of the same name wins, as in the environment."""
    found: dict[str, str] = {}
    for action in _rows(row.get("actions")):
        for parameter in _rows(action.get("parameters")):
            name, value = parameter.get("name"), parameter.get("value")
            if isinstance(name, str) and value is not None:
                found[name] = _said(value)
    return found


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _params_text(text: object) -> dict[str, str]:
    """The `params` of old masters: lines NAME=value, or (Type) NAME='value'."""
    if not isinstance(text, str):
        return {}
    found = {}
    for line in text.split("\n"):
        match = _PARAMS_LINE.match(line)
        if match is not None:
            quoted, plain = match["quoted"], match["plain"]
            found[match["name"]] = plain if quoted is None else quoted
    return found
