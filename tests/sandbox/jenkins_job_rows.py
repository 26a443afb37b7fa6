"""Beans of the sandbox's jobs, builds and queue."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.sandbox.jenkins_master import Master, now_ms
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


def prop(read: Callable[[Any], Any], visibility: int = 1, *, inline: bool = False) -> Property:
    return Property(read, visibility, inline)


def const(value: Any, visibility: int = 1) -> Property:
    return Property(lambda _subject: value, visibility)


def _numbered(job: Job, fits: Callable[[Build], bool], *, oldest: bool = False) -> Build | None:
    rows = job.builds.values() if oldest else job.newest_first()
    return next((build for build in rows if fits(build)), None)


class JobRows:
    """Beans of one master. `url` ends with a slash; it may be another than where we listen."""

    def __init__(self, master: Master, url: str) -> None:
        self.url = url
        self._master = master
        self._modern = master.modern
        #: builds that `builds` shows; Hudson 2.2.1 shows all
        self._most = 100 if master.modern else None
        self._job_table = self._job_properties()
        self._build_table = self._build_properties()
        self._item_table = self._item_properties()

    # -- jobs ----------------------------------------------------------------------------------

    def job(self, job: Job) -> Bean:
        return self._bean("hudson.model.FreeStyleProject", self._job_table, job)

    def _job_properties(self) -> Table:
        table = {
            "actions": prop(self._definitions_of),
            "description": prop(lambda j: j.description),
            "displayName": prop(lambda j: j.short_name),
            "name": prop(lambda j: j.short_name, ALWAYS),
            "url": prop(lambda j: self.url + job_path(j.name), ALWAYS),
            "buildable": prop(lambda j: not j.disabled),
            "builds": prop(lambda j: [self.build(b) for b in list(j.newest_first())[: self._most]]),
            "color": prop(_color, 2),
            "firstBuild": self._build_link(lambda b: True, oldest=True),
            "healthReport": prop(_health),
            "inQueue": prop(lambda j: self._queued(j) is not None),
            "keepDependencies": const(False),
            "lastBuild": self._build_link(lambda b: True),
            "lastCompletedBuild": self._build_link(lambda b: not b.building),
            "lastFailedBuild": self._build_link(lambda b: b.result == "FAILURE"),
            "lastStableBuild": self._build_link(lambda b: b.result == "SUCCESS"),
            "lastSuccessfulBuild": self._build_link(lambda b: b.result in ("SUCCESS", "UNSTABLE")),
            "lastUnstableBuild": self._build_link(lambda b: b.result == "UNSTABLE"),
            "lastUnsuccessfulBuild": self._build_link(lambda b: b.result not in (None, "SUCCESS")),
            "nextBuildNumber": prop(lambda j: j.next_number),
            "property": prop(self._definitions_of, inline=True),
            "queueItem": prop(self._queue_item_of),
            "concurrentBuild": prop(lambda j: j.concurrent),
            "downstreamProjects": const([]),
            "scm": const({}),
            "upstreamProjects": const([]),
        }
        if self._modern:
            table["allBuilds"] = prop(lambda j: [self.build(b) for b in j.newest_first()], -1)
            table["disabled"] = prop(lambda j: j.disabled)
            table["displayNameOrNull"] = const(None)
            table["fullDisplayName"] = prop(lambda j: " » ".join(j.name.split("/")))
            table["fullName"] = prop(lambda j: j.name)
            table["labelExpression"] = prop(lambda j: j.label)
        else:
            table["cascadingChildrenNames"] = const([])
        return table

    def _build_link(self, fits: Callable[[Build], bool], *, oldest: bool = False) -> Property:
        def read(job: Job) -> Bean | None:
            found = _numbered(job, fits, oldest=oldest)
            return None if found is None else self.build(found)

        return prop(read)

    def _queued(self, job: Job) -> Item | None:
        return next((i for i in self._master.waiting.values() if i.job == job.name), None)

    def _queue_item_of(self, job: Job) -> Bean | None:
        item = self._queued(job)
        return None if item is None else self.item(item)

    def _definitions_of(self, job: Job) -> list[Bean]:
        """Old masters keep the property in two places and tell both; the last counts."""
        lists = [job.parameters] if self._modern else [job.shown, job.parameters]
        return [self._definitions(declared) for declared in lists if declared]

    def _definitions(self, declared: tuple[Parameter, ...]) -> Bean:
        table = {"parameterDefinitions": prop(lambda rows: [self._definition(p) for p in rows], 2)}
        return self._bean("hudson.model.ParametersDefinitionProperty", table, declared)

    def _definition(self, parameter: Parameter) -> Bean:
        value = {"name": const(parameter.name, 3)}
        if parameter.kind != "Password":
            value["value"] = const(_typed(parameter), 4)
        kind = f"hudson.model.{parameter.kind}Parameter"
        table = {
            "defaultParameterValue": const(self._bean(f"{kind}Value", value, None), 3),
            "description": const(parameter.description, 3),
            "name": const(parameter.name, 3),
            "type": const(f"{parameter.kind}ParameterDefinition", 3),
        }
        if parameter.kind == "Choice":
            table["choices"] = const(list(parameter.choices), 3)
        return self._bean(f"{kind}Definition", table, None)

    # -- builds --------------------------------------------------------------------------------

    def build(self, build: Build) -> Bean:
        return self._bean("hudson.model.FreeStyleBuild", self._build_table, build)

    def _build_properties(self) -> Table:
        table = {
            "actions": prop(lambda b: self._actions(b.values, b.cause)),
            "artifacts": const([]),
            "building": prop(lambda b: b.building),
            "description": prop(lambda b: b.description),
            "duration": prop(lambda b: b.duration_ms),
            "fullDisplayName": prop(lambda b: f"{' » '.join(b.job.split('/'))} #{b.number}"),
            "id": prop(lambda b: str(b.number) if self._modern else _stamp(b)),
            "keepLog": const(False),
            "number": prop(lambda b: b.number, 2),
            "result": prop(lambda b: b.result),
            "timestamp": prop(lambda b: b.started_at_ms),
            "url": prop(lambda b: self.url + build_path(b), 2),
            "builtOn": prop(self._built_on),
            "changeSet": const({"items": [], "kind": None}),
            "culprits": const([]),
        }
        if self._modern:
            table["displayName"] = prop(lambda b: f"#{b.number}")
            table["estimatedDuration"] = prop(lambda b: b.estimated_ms)
            table["executor"] = prop(lambda b: {} if b.building else None)
            table["inProgress"] = prop(lambda b: b.building)
            table["queueId"] = prop(lambda b: b.queue_id)
        return table

    def _built_on(self, build: Build) -> str | None:
        lag = self._master.faults.node_lag_seconds
        return None if lag and now_ms() < build.started_at_ms + lag * 1000 else build.node

    def _actions(self, values: tuple[Value, ...], cause: str) -> list[Bean]:
        text = {
            "shortDescription": const(f"Started by {cause or 'user anonymous'}", 3),
            "userName": const("anonymous", 3),
        }
        causes = {"causes": const([self._bean("hudson.model.Cause$UserIdCause", text, None)], 2)}
        return [
            *self._parameter_actions(values),
            self._bean("hudson.model.CauseAction", causes, None),
        ]

    def _parameter_actions(self, values: tuple[Value, ...]) -> list[Bean]:
        if not values:
            return []
        table = {"parameters": const([self._value(value) for value in values], 2)}
        return [self._bean("hudson.model.ParametersAction", table, None)]

    def _value(self, value: Value) -> Bean:
        kind, name, text = value
        table = {"name": const(name, 3)}
        if kind != "Password":
            table["value"] = const(text == "true" if kind == "Boolean" else text, 3)
        return self._bean(f"hudson.model.{kind}ParameterValue", table, None)

    # -- the queue -----------------------------------------------------------------------------

    def queue(self) -> Bean:
        table = {"items": prop(lambda m: [self.item(i) for i in m.listed_queue()], inline=True)}
        if self._modern:
            table["discoverableItems"] = const([])
        return self._bean("hudson.model.Queue", table, self._master)

    def item(self, item: Item) -> Bean:
        table = dict(self._item_table)
        state = item.state
        kind = "Left" if state == "left" else state.capitalize()
        if state == "left":
            table["cancelled"] = prop(lambda i: i.cancelled, ALWAYS)
            table["executable"] = prop(self._executable, ALWAYS)
        elif state == "waiting":
            table["timestamp"] = prop(lambda i: i.due_ms, ALWAYS)
        else:
            table["buildableStartMilliseconds"] = prop(lambda i: i.buildable_ms, ALWAYS)
            if self._modern and state == "buildable":
                table["pending"] = const(False, ALWAYS)
        return self._bean(f"hudson.model.Queue${kind}Item", table, item)

    def _item_properties(self) -> Table:
        table = {
            "actions": prop(lambda i: self._actions(i.values, i.cause)),
            "blocked": prop(lambda i: i.state == "blocked", ALWAYS),
            "buildable": prop(lambda i: i.state == "buildable", ALWAYS),
            "params": prop(self._params, ALWAYS),
            "stuck": prop(lambda i: i.stuck, ALWAYS),
            "task": prop(self._task, ALWAYS),
            "why": prop(lambda i: i.said(now_ms()), ALWAYS),
        }
        if self._modern:
            table["id"] = prop(lambda i: i.id, ALWAYS)
            table["inQueueSince"] = prop(lambda i: i.since_ms, ALWAYS)
            table["url"] = prop(lambda i: f"queue/item/{i.id}/", ALWAYS)
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

    def _bean(self, class_name: str, table: Table, subject: Any) -> Bean:
        return Bean(class_name, table, subject)


def _stamp(build: Build) -> str:
    return f"{datetime.fromtimestamp(build.started_at_ms / 1000):%Y-%m-%d_%H-%M-%S}"


def _health(job: Job) -> list[dict[str, Any]]:
    done = [b for b in itertools.islice(job.newest_first(), 5) if b.result is not None]
    if not done:
        return []
    good = 100 * sum(1 for b in done if b.result == "SUCCESS") // len(done)
    text = f"Build stability: {good} % of recent builds went well."
    return [{"description": text, "iconUrl": "health-80plus.gif", "score": good}]


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
