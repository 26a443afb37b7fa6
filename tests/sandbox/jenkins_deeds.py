"""What POSTs to the sandbox Jenkins do: build, stop, create, change, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.sandbox.jenkins_gate import refused
from tests.sandbox.jenkins_job_rows import build_path, computer_path, job_path
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Item, Job, Login, Node, Value
from tests.sandbox.jenkins_xml import (
    FOLDER_TAG,
    BadConfig,
    is_folder,
    mode_of,
    node_xml,
    read_job,
    read_node,
    with_disabled,
)

Form = Mapping[str, str]
#: what no name of a node may hold
UNSAFE = "?*/\\%!@#$^&|<>[]:;"


class Deeds:
    """Each answers the request; Location headers are paths below the root, to be completed."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._modern = master.modern

    # -- builds --------------------------------------------------------------------------------

    def build_with_parameters(self, job: Job, form: Form) -> web.Response:
        """Only declared parameters count; those not given have their defaults."""
        if not job.parameters:
            status = 400 if self._modern else 500
            return refused(status, f"{job.name} is not parameterized")
        values: list[Value] = []
        for parameter in job.parameters:
            value = form.get(parameter.name, parameter.default)
            if parameter.kind == "Boolean":
                value = "true" if value in ("true", "on") else "false"
            if parameter.refuses(value):
                status = 400 if self._modern else 500
                return refused(status, f"Illegal choice for parameter {parameter.name}: {value}")
            values.append((parameter.kind, parameter.name, value))
        return self._queued(job, tuple(values), form)

    def build(self, job: Job, form: Form) -> web.Response:
        if not job.parameters:
            return self._queued(job, (), form)
        # As the form of the web page sends them.
        try:
            rows = json.loads(form["json"])["parameter"]
            rows = rows if isinstance(rows, list) else [rows]
            given = {str(row["name"]): _text(row.get("value", "")) for row in rows}
        except (KeyError, ValueError, TypeError):
            return refused(400, "Nothing is submitted")
        return self.build_with_parameters(job, {**form, **given})

    def _queued(self, job: Job, values: tuple[Value, ...], form: Form) -> web.Response:
        # Old masters queue it all the same when it has parameters, and drop it there.
        if job.disabled and (self._modern or not job.parameters):
            return refused(409 if self._modern else 500, f"{job.name} is not buildable")
        delay = form.get("delay")
        try:
            seconds = None if delay is None else float(delay.removesuffix("sec"))
        except ValueError:
            return refused(400 if self._modern else 500, f"Invalid delay: {delay}")
        item = self._master.enqueue(job, values, seconds, form.get("cause", ""))
        if self._modern:
            return web.Response(status=201, headers={"Location": f"queue/item/{item.id}/"})
        return self._moved(job_path(job.name))

    def stop(self, build: Build) -> web.Response:
        self._master.stop_build(build)
        return self._moved(build_path(build))

    def describe(self, build: Build, form: Form) -> web.Response:
        build.description = form.get("description", "")
        self._master.store.save_build(self._master.jobs[build.job], build)
        return self._moved(build_path(build))

    def delete_build(self, build: Build) -> web.Response:
        del self._master.jobs[build.job].builds[build.number]
        self._master.store.drop_build(build.job, build.number)
        return self._moved(job_path(build.job))

    def cancel(self, item: Item | None) -> web.Response:
        """Cancelling what is not there is no error, only of another status."""
        if item is None or item.state == "left":
            return refused(404, "Not Found")
        self._master.cancel(item)
        return web.Response(status=204)

    def cancel_at(self, index: int) -> web.Response:
        """The old way: by the place in the queue, as it is listed at this moment."""
        items = self._master.listed_queue()
        if not 0 <= index < len(items):
            return refused(500, f"Index {index} out of bounds for length {len(items)}")
        self._master.cancel(items[index])
        return self._moved(f"queue/items/{index}/")

    def cancel_job(self, job: Job) -> web.Response:
        """The other old way: one item of the job, nobody says which."""
        item = next((i for i in self._master.waiting.values() if i.job == job.name), None)
        if item is not None:
            self._master.cancel(item)
        return self._moved(job_path(job.name))

    # -- jobs ----------------------------------------------------------------------------------

    def create_item(self, folder: str, form: Form, body: bytes) -> web.Response:
        short = form.get("name", "")
        if not short or "/" in short:
            return refused(400, "No name is specified")
        name = f"{folder}/{short}" if folder else short
        if name in self._master.jobs or name in self._master.folders:
            return refused(400, f"A job already exists with the name '{short}'")
        if form.get("mode") == FOLDER_TAG:
            self._master.put_folder(name)
            return self._moved(job_path(name))
        if form.get("mode") == "copy":
            source = form.get("from", "")
            found = self._master.jobs.get(f"{folder}/{source}" if folder else source)
            if found is None:
                return refused(400, f"No such job: {source}")
            body = found.xml.encode()
        try:
            text = body.decode()
            if is_folder(text):
                self._master.put_folder(name)
                return web.Response()
            job = Job(name, "")
            read_job(job, text, modern=self._modern)
        except (BadConfig, UnicodeDecodeError) as error:
            return refused(500, str(error))
        self._master.put_job(job)
        return web.Response()

    def configure(self, job: Job, body: bytes) -> web.Response:
        try:
            read_job(job, body.decode(), modern=self._modern)
        except (BadConfig, UnicodeDecodeError) as error:
            return refused(500, str(error))
        self._master.put_job(job)
        return web.Response()

    def enable(self, job: Job, *, disabled: bool) -> web.Response:
        xml = with_disabled(job.xml, disabled, modern=self._modern)
        read_job(job, xml, modern=self._modern)
        self._master.put_job(job)
        return self._moved(job_path(job.name))

    def rename(self, job: Job, form: Form) -> web.Response:
        short = form.get("newName", "")
        name = f"{job.folder}/{short}" if job.folder else short
        if not short or name in self._master.jobs:
            return refused(400, "No name, or one that is taken")
        self._master.rename_job(job.name, name)
        return self._moved(job_path(name))

    def delete_job(self, name: str) -> web.Response:
        self._master.drop_job(name)
        return self._moved("")

    # -- nodes ---------------------------------------------------------------------------------

    def create_node(self, form: Form) -> web.Response:
        """As python-jenkins asks; old masters want the name inside the json field too."""
        try:
            node = self._read_node_form(form)
        except (KeyError, ValueError, TypeError) as error:
            return refused(400 if self._modern else 500, f"the form: {error!r}")
        if unsafe := next((c for c in node.name if c in UNSAFE), ""):
            return refused(400, f"'{unsafe}' is an unsafe character")
        if node.name in self._master.nodes:
            return refused(400, f"Agent called '{node.name}' already exists")
        self._master.put_node(node)
        return self._moved("computer/")

    def submit_node(self, node: Node, form: Form) -> web.Response:
        """The page on which a node is configured, as a whole; builds go on."""
        try:
            wanted = self._read_node_form(form)
            read_node(node, wanted.xml)
        except (KeyError, ValueError, TypeError) as error:
            return refused(400 if self._modern else 500, f"the form: {error!r}")
        self._master.put_node(node)
        return self._moved(computer_path(node, modern=self._modern))

    def _read_node_form(self, form: Form) -> Node:
        wanted: dict[str, Any] = json.loads(form["json"])
        node = Node(
            form["name"] if self._modern else str(wanted["name"]),
            labels=frozenset((wanted.get("labelString") or "").split()),
            executors=int(wanted.get("numExecutors", 1)),
            mode=mode_of(str(wanted.get("mode", "NORMAL"))),
            description=wanted.get("nodeDescription") or "",
            launcher=dict(wanted.get("launcher") or {}),
            login=_login(wanted),
        )
        node.xml = node_xml(node, modern=self._modern)
        return node

    def configure_node(self, node: Node, body: bytes) -> web.Response:
        try:
            read_node(node, body.decode())
        except (BadConfig, UnicodeDecodeError) as error:
            return refused(500, str(error))
        self._master.put_node(node)
        return web.Response()

    def toggle_offline(self, node: Node, form: Form) -> web.Response:
        node.temporarily_offline = not node.temporarily_offline
        node.offline_reason = form.get("offlineMessage", "") if node.temporarily_offline else ""
        self._master.put_node(node)
        return self._moved(computer_path(node, modern=self._modern))

    def delete_node(self, node: Node) -> web.Response:
        if not node.name:
            return refused(400, "the master's own node stays")
        path = computer_path(node, modern=self._modern)
        self._master.drop_node(node.name)
        return self._moved(f"{path}..")

    # -- the whole -----------------------------------------------------------------------------

    def quiet_down(self, quiet: bool) -> web.Response:
        self._master.quieting = quiet
        self._master.poke()
        return self._moved("")

    def _moved(self, path: str) -> web.Response:
        return web.Response(status=302, headers={"Location": path})


def _login(wanted: dict[str, Any]) -> Login | None:
    """Of the SSH launcher with a key file; those with credentials of the master have none here."""
    launcher = wanted.get("launcher") or {}
    if not launcher.get("privatekey"):
        return None
    return Login(
        host=str(launcher["host"]),
        port=int(launcher.get("port") or 22),
        username=str(launcher.get("username") or ""),
        key_file=str(launcher["privatekey"]),
        home=str(wanted.get("remoteFS") or "/tmp"),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
