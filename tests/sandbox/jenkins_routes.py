"""Which path of the sandbox Jenkins is which bean or deed.

Paths are read here and not by aiohttp's router, because names hold anything: blanks, letters of
all alphabets, percent-quoted slashes, and folders repeat `/job/NAME`.
"""

from __future__ import annotations

import json
from typing import Protocol

from aiohttp import web

from tests.sandbox.jenkins_deeds import Deeds, Form
from tests.sandbox.jenkins_gate import Gate, refused
from tests.sandbox.jenkins_labels import BadLabelExpression
from tests.sandbox.jenkins_master import Master
from tests.sandbox.jenkins_model import Build, Job, Node
from tests.sandbox.jenkins_rows import Rows
from tests.sandbox.jenkins_tree import BadTree, Bean, pruner_of, shown
from tests.sandbox.jenkins_xml import folder_xml, node_xml

#: answered to GET as well by old masters; new ones want POST
DEEDS = frozenset(
    (
        *("build", "buildWithParameters", "stop", "submitDescription", "doDelete", "toggleOffline"),
        *("enable", "disable", "doRename", "quietDown", "cancelQuietDown", "safeRestart"),
        *("cancelItem", "cancelQueue", "createItem", "doCreateItem", "restart"),
    )
)


class Place(Protocol):
    """What a request needs."""

    modern: bool
    gate: Gate

    @property
    def parts(self) -> tuple[Master, Rows, Deeds]: ...
    def restart_soon(self, *, safe: bool) -> None: ...


class Call:
    """One request, its form read; None is not found."""

    def __init__(self, site: Place, request: web.Request, form: Form, body: bytes) -> None:
        self._site = site
        self._master, self._rows, self._deeds = site.parts
        self._request = request
        self._form = form
        self._body = body

    @property
    def _is_post(self) -> bool:
        return self._request.method == "POST"

    def answer(self, segments: list[str]) -> web.Response | None:
        match segments:
            case []:
                return page("Dashboard")
            case ["api", "json"]:
                return self._json(self._rows.root())
            case ["crumbIssuer", "api", "json"]:
                return self._site.gate.issue(self._request)
            case ["createItem"]:
                return self._deeds.create_item("", self._form, self._body)
            case ["quietDown" | "cancelQuietDown" as word]:
                return self._deeds.quiet_down(word == "quietDown")
            case ["safeRestart" | "restart" as word]:
                self._site.restart_soon(safe=word == "safeRestart")
                return self._deeds.quiet_down(word == "safeRestart" or self._master.quieting)
            case ["ajaxBuildQueue"]:
                return _queue_pane(quieting=self._master.quieting)
            case ["queue", *rest]:
                return self._queue(rest)
            case ["computer", *rest]:
                return self._computer(rest)
            case ["label", expression, "api", "json"]:
                return self._label(expression)
            case ["job", *_]:
                return self._job_or_folder(segments)
        return None

    # -- queue ---------------------------------------------------------------------------------

    def _queue(self, rest: list[str]) -> web.Response | None:
        master = self._master
        match rest:
            case []:
                return page("Queue")
            case ["api", "json"]:
                return self._json(self._rows.queue())
            case ["item", number, "api", "json"] if self._site.modern:
                id_ = _number(number)
                item = master.waiting.get(id_) or master.left.get(id_)
                return None if item is None else self._json(self._rows.item(item))
            case ["cancelItem"] if self._site.modern:
                return self._deeds.cancel(master.waiting.get(_number(self._form.get("id", ""))))
            case ["item", number, "cancelQueue"] if self._site.modern:
                return self._deeds.cancel(master.waiting.get(_number(number)))
            case ["items", index, "cancelQueue"] if not self._site.modern:
                return self._deeds.cancel_at(_number(index))
        return None

    def _label(self, expression: str) -> web.Response | None:
        try:
            return self._json(self._rows.label(expression))
        except BadLabelExpression:
            return None

    # -- computers -----------------------------------------------------------------------------

    def _computer(self, rest: list[str]) -> web.Response | None:
        match rest:
            case []:
                return page("Nodes")
            case ["api", "json"]:
                return self._json(self._rows.computers())
            case ["doCreateItem"]:
                return self._deeds.create_node(self._form)
        own = ("(master)", "(built-in)") if self._site.modern else ("(master)",)
        node = self._master.nodes.get("" if rest[0] in own else rest[0] or "?")
        return None if node is None else self._one_computer(node, rest[1:])

    def _one_computer(self, node: Node, rest: list[str]) -> web.Response | None:
        match rest:
            case []:
                return page(node.name or "master")
            case ["api", "json"]:
                return self._json(self._rows.computer(node))
            case ["config.xml"] if self._is_post and self._site.modern:
                return self._deeds.configure_node(node, self._body)
            case ["config.xml"] if self._site.modern:
                return _xml(node.xml or node_xml(node, modern=self._site.modern))
            case ["configSubmit"]:
                return self._deeds.submit_node(node, self._form)
            case ["toggleOffline"]:
                return self._deeds.toggle_offline(node, self._form)
            case ["doDelete"]:
                return self._deeds.delete_node(node)
        return None

    # -- jobs ----------------------------------------------------------------------------------

    def _job_or_folder(self, segments: list[str]) -> web.Response | None:
        parts: list[str] = []
        while len(segments) >= 2 and segments[0] == "job":
            parts.append(segments[1])
            segments = segments[2:]
        name = "/".join(parts)
        if any("/" in part for part in parts):
            return None
        job = self._master.jobs.get(name)
        if job is not None:
            return self._job(job, segments)
        if name not in self._master.folders:
            return None
        match segments:
            case []:
                return page(name)
            case ["api", "json"]:
                return self._json(self._rows.folder(name))
            case ["config.xml"]:
                return _xml(folder_xml(modern=self._site.modern))
            case ["createItem"]:
                return self._deeds.create_item(name, self._form, self._body)
        return None

    def _job(self, job: Job, rest: list[str]) -> web.Response | None:
        deeds = self._deeds
        match rest:
            case []:
                return page(job.name)
            case ["api", "json"]:
                return self._json(self._rows.job(job))
            case ["build"] if job.parameters and not self._is_post:
                return refused(405, "Parameters are asked for on a page")
            case ["build"]:
                return deeds.build(job, self._form)
            case ["buildWithParameters"]:
                return deeds.build_with_parameters(job, self._form)
            case ["config.xml"]:
                return deeds.configure(job, self._body) if self._is_post else _xml(job.xml)
            case ["cancelQueue"] if not self._site.modern:
                return deeds.cancel_job(job)
            case ["doDelete"]:
                return deeds.delete_job(job.name)
            case ["doRename"]:
                return deeds.rename(job, self._form)
            case ["enable" | "disable" as word]:
                return deeds.enable(job, disabled=word == "disable")
            case [word, *more]:
                build = _build(job, word)
                return None if build is None else self._build(build, more)
        return None

    def _build(self, build: Build, rest: list[str]) -> web.Response | None:
        match rest:
            case []:
                return page(f"{build.job} #{build.number}")
            case ["api", "json"]:
                return self._json(self._rows.build(build))
            case ["stop"]:
                return self._deeds.stop(build)
            case ["submitDescription"]:
                return self._deeds.describe(build, self._form)
            case ["doDelete"]:
                return self._deeds.delete_build(build)
            case ["consoleText"]:
                log = self._master.store.log_path(build.job, build.number)
                text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                return web.Response(text=text, content_type="text/plain")
        return None

    def _json(self, bean: Bean) -> web.Response:
        modern = self._site.modern
        try:
            pruner = pruner_of(self._request.query, ranges=modern)
        except BadTree as error:
            answer = refused(400 if modern else 500, str(error))
            if not modern and "gzip" in self._request.headers.get("Accept-Encoding", ""):
                # It is not, but Hudson says so.
                answer.headers["Content-Encoding"] = "gzip"
            return answer
        return web.json_response(
            shown(bean, pruner, classes=modern),
            dumps=_dumps,
            content_type="application/json" if modern else "application/javascript",
        )


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _build(job: Job, word: str) -> Build | None:
    if word == "lastBuild":
        return next(iter(job.newest_first()), None)
    return job.builds.get(_number(word))


def _number(word: str) -> int:
    """-1 for what is none."""
    return int(word) if word.isascii() and word.isdigit() else -1


def page(title: str) -> web.Response:
    page = f"<html><head><title>{title} [Jenkins]</title></head><body></body></html>"
    return web.Response(text=page, content_type="text/html")


def _queue_pane(*, quieting: bool) -> web.Response:
    """A piece of all pages."""
    words = 'Hudson is going to shut down. <a href="/cancelQuietDown">(cancel)</a>'
    text = f'<table id="buildQueue"><tr><td>{words if quieting else ""}</td></tr></table>'
    return web.Response(text=text, content_type="text/html")


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")
