"""What the sandbox's REST resources show of the master: beans, for `tree=` and `depth=`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.sandbox.jenkins_labels import matches
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Item, Job, Node, Parameter, Value
from tests.sandbox.jenkins_tree import Bean, Property

Table = Mapping[str, Property]
#: shown at any depth
ALWAYS = 999


def job_path(name: str) -> str:
    """`job/A/job/B/`, quoted."""
    return "".join(f"job/{quote(part, safe='')}/" for part in name.split("/"))


def computer_path(node: Node, *, modern: bool) -> str:
    own = "(built-in)" if modern else "(master)"
    return f"computer/{quote(node.name, safe='') or own}/"


def build_path(build: Build) -> str:
    return f"{job_path(build.job)}{build.number}/"


def _p(read: Callable[[Any], Any], visibility: int = 1, *, inline: bool = False) -> Property:
    return Property(read, visibility, inline)


def _const(value: Any, visibility: int = 1) -> Property:
    return Property(lambda _subject: value, visibility)


def _numbered(job: Job, fits: Callable[[Build], bool], *, oldest: bool = False) -> Build | None:
    rows = job.builds.values() if oldest else job.newest_first()
    return next((build for build in rows if fits(build)), None)


class Rows:
    """Beans of one master. `url` ends with a slash; it may be another than where we listen."""

    def __init__(self, master: Master, url: str) -> None:
        self._master = master
        self.url = url
        self._modern = master.modern
        self._name = "Jenkins" if master.modern else "Hudson"
        self._job_table = self._job_properties()
        self._build_table = self._build_properties()
        self._item_table = self._item_properties()
        self._node_table = self._node_properties()
        self._folder_table: Table = {
            "description": _const(""),
            "displayName": _p(_last),
            "fullDisplayName": _p(lambda name: " » ".join(name.split("/"))),
            "fullName": _p(lambda name: name),
            "name": _p(_last, ALWAYS),
            "url": _p(lambda name: self.url + job_path(name), ALWAYS),
            "jobs": _p(self._children),
        }

    # -- the whole -----------------------------------------------------------------------------

    def root(self) -> Bean:
        master = self._master
        own = master.nodes.get("")
        view = "all" if self._modern else "All"
        names: Table = {"name": _const(view, ALWAYS), "url": _const(self.url, ALWAYS)}
        table = {
            "assignedLabels": _p(
                lambda m: [self._label(a) for a in sorted(own.atoms if own else ())]
            ),
            "mode": _const(own.mode if own else "NORMAL"),
            "nodeDescription": _const(f"the master {self._name} node"),
            "nodeName": _const(""),
            "numExecutors": _const(own.executors if own else 0),
            "description": _const(None),
            "jobs": _p(lambda m: self._children("")),
            "overallLoad": _const({}),
            "primaryView": _const(self._bean("hudson.model.AllView", names, None)),
            "slaveAgentPort": _const(-1),
            "useCrumbs": _const(False),
            "useSecurity": _const(False),
            "views": _const([self._bean("hudson.model.AllView", names, None)]),
        }
        if self._modern:
            table["quietingDown"] = _p(lambda m: m.quieting)
            table["unlabeledLoad"] = _const({})
            table["url"] = _const(self.url)
        else:
            table["securedJobs"] = _const([])
        return self._bean("hudson.model.Hudson", table, master)

    def _children(self, folder: str) -> list[Bean]:
        """Jobs and folders right below a folder, "" for the top, by name."""
        prefix = f"{folder}/" if folder else ""
        names = [
            name
            for name in (*self._master.folders, *self._master.jobs)
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]
        return [self.named(name) for name in sorted(names)]

    def named(self, name: str) -> Bean:
        """A job or folder that there is."""
        job = self._master.jobs.get(name)
        return self.folder(name) if job is None else self.job(job)

    def folder(self, name: str) -> Bean:
        return self._bean("com.cloudbees.hudson.plugins.folder.Folder", self._folder_table, name)

    # -- jobs ----------------------------------------------------------------------------------

    def job(self, job: Job) -> Bean:
        return self._bean("hudson.model.FreeStyleProject", self._job_table, job)

    def _job_properties(self) -> Table:
        table = {
            "actions": _p(self._definitions_of),
            "description": _p(lambda j: j.description),
            "displayName": _p(lambda j: j.short_name),
            "name": _p(lambda j: j.short_name, ALWAYS),
            "url": _p(lambda j: self.url + job_path(j.name), ALWAYS),
            "buildable": _p(lambda j: not j.disabled),
            "builds": _p(lambda j: [self.build(b) for b in list(j.newest_first())[:100]]),
            "color": _p(_color, 2),
            "firstBuild": self._build_link(lambda b: True, oldest=True),
            "healthReport": _p(_health),
            "inQueue": _p(lambda j: self._queued(j) is not None),
            "keepDependencies": _const(False),
            "lastBuild": self._build_link(lambda b: True),
            "lastCompletedBuild": self._build_link(lambda b: not b.building),
            "lastFailedBuild": self._build_link(lambda b: b.result == "FAILURE"),
            "lastStableBuild": self._build_link(lambda b: b.result == "SUCCESS"),
            "lastSuccessfulBuild": self._build_link(lambda b: b.result in ("SUCCESS", "UNSTABLE")),
            "lastUnstableBuild": self._build_link(lambda b: b.result == "UNSTABLE"),
            "lastUnsuccessfulBuild": self._build_link(lambda b: b.result not in (None, "SUCCESS")),
            "nextBuildNumber": _p(lambda j: j.next_number),
            "property": _p(self._definitions_of, inline=True),
            "queueItem": _p(self._queue_item_of),
            "concurrentBuild": _p(lambda j: j.concurrent),
            "downstreamProjects": _const([]),
            "scm": _const({}),
            "upstreamProjects": _const([]),
        }
        if self._modern:
            table["allBuilds"] = _p(lambda j: [self.build(b) for b in j.newest_first()], -1)
            table["disabled"] = _p(lambda j: j.disabled)
            table["displayNameOrNull"] = _const(None)
            table["fullDisplayName"] = _p(lambda j: " » ".join(j.name.split("/")))
            table["fullName"] = _p(lambda j: j.name)
            table["labelExpression"] = _p(lambda j: j.label)
        else:
            table["cascadingChildrenNames"] = _const([])
        return table

    def _build_link(self, fits: Callable[[Build], bool], *, oldest: bool = False) -> Property:
        def read(job: Job) -> Bean | None:
            found = _numbered(job, fits, oldest=oldest)
            return None if found is None else self.build(found)

        return _p(read)

    def _queued(self, job: Job) -> Item | None:
        return next((i for i in self._master.waiting.values() if i.job == job.name), None)

    def _queue_item_of(self, job: Job) -> Bean | None:
        item = self._queued(job)
        return None if item is None else self.item(item)

    def _definitions_of(self, job: Job) -> list[Bean]:
        """Old masters, which keep the property in two places, tell it twice."""
        return [self._definitions(job)] * (1 if self._modern else 2) if job.parameters else []

    def _definitions(self, job: Job) -> Bean:
        table = {
            "parameterDefinitions": _p(lambda j: [self._definition(p) for p in j.parameters], 2)
        }
        return self._bean("hudson.model.ParametersDefinitionProperty", table, job)

    def _definition(self, parameter: Parameter) -> Bean:
        value = {"name": _const(parameter.name, 3)}
        if parameter.kind != "Password":
            value["value"] = _const(_typed(parameter), 4)
        kind = f"hudson.model.{parameter.kind}Parameter"
        table = {
            "defaultParameterValue": _const(self._bean(f"{kind}Value", value, None), 3),
            "description": _const(parameter.description, 3),
            "name": _const(parameter.name, 3),
            "type": _const(f"{parameter.kind}ParameterDefinition", 3),
        }
        if parameter.kind == "Choice":
            table["choices"] = _const(list(parameter.choices), 3)
        return self._bean(f"{kind}Definition", table, None)

    # -- builds --------------------------------------------------------------------------------

    def build(self, build: Build) -> Bean:
        return self._bean("hudson.model.FreeStyleBuild", self._build_table, build)

    def _build_properties(self) -> Table:
        table = {
            "actions": _p(self._build_actions),
            "artifacts": _const([]),
            "building": _p(lambda b: b.building),
            "description": _p(lambda b: b.description),
            "duration": _p(lambda b: b.duration_ms),
            "fullDisplayName": _p(lambda b: f"{' » '.join(b.job.split('/'))} #{b.number}"),
            "id": _p(lambda b: str(b.number) if self._modern else _stamp(b)),
            "keepLog": _const(False),
            "number": _p(lambda b: b.number, 2),
            "result": _p(lambda b: b.result),
            "timestamp": _p(lambda b: b.started_at_ms),
            "url": _p(lambda b: self.url + build_path(b), 2),
            "builtOn": _p(lambda b: b.node),
            "changeSet": _const({"items": [], "kind": None}),
            "culprits": _const([]),
        }
        if self._modern:
            table["displayName"] = _p(lambda b: f"#{b.number}")
            table["estimatedDuration"] = _p(lambda b: b.estimated_ms)
            table["executor"] = _p(lambda b: {} if b.building else None)
            table["inProgress"] = _p(lambda b: b.building)
            table["queueId"] = _p(lambda b: b.queue_id)
        return table

    def _build_actions(self, build: Build) -> list[Bean]:
        text = {
            "shortDescription": _const(f"Started by {build.cause or 'user anonymous'}", 3),
            "userName": _const("anonymous", 3),
        }
        causes = {"causes": _const([self._bean("hudson.model.Cause$UserIdCause", text, None)], 2)}
        return [
            *self._parameter_actions(build.values),
            self._bean("hudson.model.CauseAction", causes, None),
        ]

    def _parameter_actions(self, values: tuple[Value, ...]) -> list[Bean]:
        if not values:
            return []
        table = {"parameters": _const([self._value(value) for value in values], 2)}
        return [self._bean("hudson.model.ParametersAction", table, None)]

    def _value(self, value: Value) -> Bean:
        kind, name, text = value
        table = {"name": _const(name, 3)}
        if kind != "Password":
            table["value"] = _const(text == "true" if kind == "Boolean" else text, 3)
        return self._bean(f"hudson.model.{kind}ParameterValue", table, None)

    # -- the queue -----------------------------------------------------------------------------

    def queue(self) -> Bean:
        table = {"items": _p(lambda m: [self.item(i) for i in m.listed_queue()], inline=True)}
        if self._modern:
            table["discoverableItems"] = _const([])
        return self._bean("hudson.model.Queue", table, self._master)

    def item(self, item: Item) -> Bean:
        table = dict(self._item_table)
        state = item.state
        kind = "Left" if state == "left" else state.capitalize()
        if state == "left":
            table["cancelled"] = _p(lambda i: i.cancelled)
            table["executable"] = _p(self._executable)
        elif state == "buildable":
            table["buildableStartMilliseconds"] = _p(lambda i: i.buildable_ms)
            if self._modern:
                table["pending"] = _const(False)
        elif state == "waiting":
            table["timestamp"] = _p(lambda i: i.due_ms)
        else:
            table["buildableStartMilliseconds"] = _p(lambda i: i.buildable_ms)
        return self._bean(f"hudson.model.Queue${kind}Item", table, item)

    def _item_properties(self) -> Table:
        table = {
            "actions": _p(lambda i: self._parameter_actions(i.values)),
            "blocked": _p(lambda i: i.state == "blocked"),
            "buildable": _p(lambda i: i.state == "buildable"),
            "params": _p(self._params),
            "stuck": _p(lambda i: i.stuck),
            "task": _p(self._task),
            "why": _p(lambda i: i.why or None),
        }
        if self._modern:
            table["id"] = _p(lambda i: i.id)
            table["inQueueSince"] = _p(lambda i: i.since_ms)
            table["url"] = _p(lambda i: f"queue/item/{i.id}/")
        return table

    def _params(self, item: Item) -> str:
        rows = [row for row in item.values if row[0] != "Password"]
        if self._modern:
            return "".join(f"\n{name}={value}" for _kind, name, value in rows)
        return "".join(
            f"\n({'Boolean' if kind == 'Boolean' else 'String'}ParameterValue) {name}='{value}'"
            for kind, name, value in rows
        )

    def _task(self, item: Item) -> Bean | None:
        job = self._master.jobs.get(item.job)
        return None if job is None else self.job(job)

    def _executable(self, item: Item) -> Bean | None:
        job = self._master.jobs.get(item.job)
        build = job.builds.get(item.number) if job and item.number is not None else None
        return None if build is None else self.build(build)

    # -- nodes ---------------------------------------------------------------------------------

    def computers(self) -> Bean:
        table = {
            "busyExecutors": _p(lambda m: sum(len(n.running) for n in m.nodes.values())),
            "computer": _p(lambda m: [self.computer(n) for n in m.nodes.values()], inline=True),
            "displayName": _const("Nodes" if self._modern else "nodes"),
            "totalExecutors": _p(
                lambda m: sum(n.executors for n in m.nodes.values() if not n.is_offline)
            ),
        }
        return self._bean("hudson.model.ComputerSet", table, self._master)

    def computer(self, node: Node) -> Bean:
        kind = "slaves.SlaveComputer" if node.name else "model.Hudson$MasterComputer"
        return self._bean(f"hudson.{kind}", self._node_table, node)

    def _node_properties(self) -> Table:
        own = "Built-In Node" if self._modern else "master"
        table = {
            "actions": _const([]),
            "displayName": _p(lambda n: n.name or own, 2),
            "executors": _p(self._executors),
            "icon": _p(lambda n: f"computer{'-x' if n.is_offline else ''}.png"),
            "idle": _p(lambda n: not n.running),
            "jnlpAgent": _const(False),
            "launchSupported": _const(True),
            "loadStatistics": _const({}),
            "manualLaunchAllowed": _const(True),
            "monitorData": _const({}),
            "numExecutors": _p(lambda n: n.executors),
            "offline": _p(lambda n: n.is_offline),
            "offlineCause": _p(self._offline_cause),
            "oneOffExecutors": _const([]),
            "temporarilyOffline": _p(lambda n: n.temporarily_offline),
        }
        if self._modern:
            table["assignedLabels"] = _p(lambda n: [self._label(a) for a in sorted(n.atoms)])
            table["description"] = _p(lambda n: n.description)
            table["offlineCauseReason"] = _p(lambda n: n.offline_reason if n.is_offline else "")
        else:
            table["runningJobs"] = _const([])
        return table

    def _offline_cause(self, node: Node) -> Bean | None:
        if not node.is_offline:
            return None
        text = node.offline_reason
        table = {"description": _const(text, 2)} if self._modern else {}
        return self._bean("hudson.slaves.OfflineCause$ByCLI", table, None)

    def _executors(self, node: Node) -> list[Bean]:
        return [self._executor(node, i) for i in range(max(node.executors, *(0, *_past(node))))]

    def _executor(self, node: Node, index: int) -> Bean:
        build = node.running.get(index)
        table = {
            "currentExecutable": _const(None if build is None else self.build(build)),
            "currentWorkUnit": _const(None if build is None else {}),
            "idle": _const(build is None),
            "likelyStuck": _const(False),
            "number": _const(index),
            "progress": _const(-1 if build is None or build.estimated_ms <= 0 else 50),
        }
        return self._bean("hudson.model.Executor", table, None)

    def label(self, expression: str) -> Bean:
        """What is known of a label, or of any expression: the nodes it fits, the jobs tied to it.
        BadLabelExpression if it is none."""
        master = self._master
        nodes = [node for node in master.nodes.values() if matches(expression, node.atoms)]
        tied = [job for job in master.jobs.values() if job.label == expression]
        up = [node for node in nodes if not node.is_offline]
        busy = sum(len(node.running) for node in up)
        total = sum(node.executors for node in up)
        table = {
            "actions": _const([]),
            "busyExecutors": _const(busy),
            "clouds": _const([]),
            "description": _const("" if nodes else "invalid label"),
            "idleExecutors": _const(total - busy),
            "loadStatistics": _const({}),
            "name": _const(expression, 2),
            "nodes": _const([self._node(node) for node in nodes]),
            "offline": _const(not up),
            "tiedJobs": _const([self.job(job) for job in tied]),
            "totalExecutors": _const(total),
            "propertiesList": _const([]),
        }
        return self._bean("hudson.model.labels.LabelAtom", table, None)

    def _node(self, node: Node) -> Bean:
        table = {
            "assignedLabels": _const([self._label(name) for name in sorted(node.atoms)]),
            "mode": _const(node.mode),
            "nodeDescription": _const(node.description),
            "nodeName": _const(node.name, 2),
            "numExecutors": _const(node.executors),
        }
        return self._bean("hudson.slaves.DumbSlave", table, None)

    def _label(self, name: str) -> Bean:
        return self._bean("hudson.model.labels.LabelAtom", {"name": _const(name, 1)}, None)

    def _bean(self, class_name: str, table: Table, subject: Any) -> Bean:
        return Bean(class_name, table, subject)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _stamp(build: Build) -> str:
    return f"{datetime.fromtimestamp(build.started_at_ms / 1000):%Y-%m-%d_%H-%M-%S}"


def _health(job: Job) -> list[dict[str, Any]]:
    done = [b for b in itertools.islice(job.newest_first(), 5) if b.result is not None]
    if not done:
        return []
    good = 100 * sum(1 for b in done if b.result == "SUCCESS") // len(done)
    text = f"Build stability: {good} % of recent builds went well."
    return [{"description": text, "iconUrl": "health-80plus.gif", "score": good}]


def _past(node: Node) -> list[int]:
    """Executors that are still busy though the node has fewer by now."""
    return [index + 1 for index in node.running]


def _typed(parameter: Parameter) -> Any:
    return parameter.default == "true" if parameter.kind == "Boolean" else parameter.default


def _color(job: Job) -> str:
    if job.disabled:
        return "disabled"
    done = _numbered(job, lambda build: build.result is not None)
    colors = {"SUCCESS": "blue", "UNSTABLE": "yellow", "FAILURE": "red", "ABORTED": "aborted"}
    color = "notbuilt" if done is None else colors.get(done.result or "", "grey")
    if done is None:
        color = "notbuilt"
    return f"{color}_anime" if job.running else color
