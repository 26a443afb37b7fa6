"""Requests to masters over real HTTP: odd answers, crumbs, redirects, and masters of both ages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from gearman_plugin_shim.jenkins import JenkinsMaster
from gearman_plugin_shim.jenkins_job_xml import STRING, TEXT, add_parameters
from gearman_plugin_shim.jenkins_reader import JenkinsReader
from gearman_plugin_shim.model import BuildId, PostKind
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.http_server import CalmServer
from tests.support.waiting import eventually
from zuul.lib.jenkins.errors import (
    JenkinsBadAnswer,
    JenkinsNotFound,
    JenkinsRefused,
    JenkinsUnavailable,
)
from zuul.lib.jenkins.session import JenkinsSession
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration

PASSWORD = "pa55word"


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """An HTTP server that answers as told, path by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[Request] = []
        self.gate = threading.Event()
        self.gate.set()
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                scripted.requests.append(Request(self.command, self.path, dict(self.headers), body))
                scripted.gate.wait(10)
                replies = scripted.replies.get(self.path.partition("?")[0], [Reply(404)])
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = _answer  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = CalmServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def on(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def asked(self, path: str) -> list[Request]:
        return [each for each in self.requests if each.path.partition("?")[0] == path]

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def master() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def session_to() -> Iterator[Callable[..., JenkinsSession]]:
    made: list[JenkinsSession] = []

    def make(url: str, **options: float) -> JenkinsSession:
        session = JenkinsSession("m1", url, "zuul", Secret(PASSWORD), **options)  # type: ignore[arg-type]
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


Make = Callable[..., JenkinsSession]


@pytest.mark.parametrize(
    ("reply", "error", "word"),
    [
        (Reply(body=b"<html>Please wait</html>"), JenkinsBadAnswer, "HTML"),
        (Reply(body=b'{"jobs": [{"na'), JenkinsBadAnswer, "no JSON"),
        (Reply(body=b"[1]"), JenkinsBadAnswer, "no object"),
        (Reply(body=b"[" * 100_000), JenkinsBadAnswer, "no JSON"),
        (Reply(503, b"<html>"), JenkinsUnavailable, "503"),
        (Reply(401), JenkinsRefused, "login"),
        (Reply(403), JenkinsRefused, "forbids"),
        (Reply(404), JenkinsNotFound, "404"),
        (Reply(302, headers={"Location": "/login?from=x"}), JenkinsRefused, "login"),
        (Reply(302, headers={"Location": "http://127.0.0.2:1/"}), JenkinsBadAnswer, "place"),
        (Reply(302, headers={"Location": "/api/json"}), JenkinsBadAnswer, "without end"),
        (Reply(500, headers={"Content-Encoding": "gzip"}), JenkinsUnavailable, ""),
        (Reply(body=b"{", headers={"Content-Length": "10"}), JenkinsUnavailable, "reached"),
    ],
)
def test_odd_answers_are_errors_that_name_master_and_path(
    master: Scripted, session_to: Make, reply: Reply, error: type[Exception], word: str
) -> None:
    master.on("/api/json", reply)
    session = session_to(master.url, timeout_seconds=2.0)
    with pytest.raises(error) as caught:
        session.get_json("api/json")
    assert str(caught.value).startswith("master m1 ")
    assert str(caught.value).endswith("path=/api/json")
    assert word in str(caught.value)


def test_no_answer_in_time(master: Scripted, session_to: Make) -> None:
    master.gate.clear()
    with pytest.raises(JenkinsUnavailable, match="in time"):
        session_to(master.url, timeout_seconds=0.3).get("api/json")


def test_nobody_there(master: Scripted, session_to: Make) -> None:
    url = master.url
    session = session_to(url.rpartition(":")[0] + ":1")
    with pytest.raises(JenkinsUnavailable, match="cannot be reached"):
        session.get("api/json")


def test_a_redirect_within_the_master_is_followed(master: Scripted, session_to: Make) -> None:
    master.on("/ci/a/api/json", Reply(301, headers={"Location": "/ci/b/api/json"}))
    master.on("/ci/b/api/json", Reply(body=b'{"a": 1}'))
    assert session_to(master.url + "/ci").get_json("a/api/json") == {"a": 1}


def crumb(word: str) -> Reply:
    body = f'{{"crumb": "{word}", "crumbRequestField": "Jenkins-Crumb"}}'.encode()
    return Reply(body=body)


def test_a_build_is_posted_once_with_a_form_and_a_crumb(master: Scripted, session_to: Make) -> None:
    master.on("/crumbIssuer/api/json", crumb("c1"))
    master.on(
        "/job/a/job/b%20%C3%BC/buildWithParameters",
        Reply(201, headers={"Location": "http://elsewhere/queue/item/17/"}),
    )
    big = "é\n" * 65_536
    posted = JenkinsMaster(session_to(master.url)).post_build("a/b ü", {"ZUUL_CHANGES": big})
    assert (posted.kind, posted.queue_id) == (PostKind.ACCEPTED, 17)
    (request,) = [each for each in master.requests if each.method == "POST"]
    assert request.headers["Jenkins-Crumb"] == "c1"
    form = parse_qs(request.body.decode(), keep_blank_values=True)
    assert form == {"ZUUL_CHANGES": [big], "delay": ["0sec"]}
    assert "?" not in request.path


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(302, headers={"Location": "/job/unit/"}), PostKind.ACCEPTED),
        (Reply(302, headers={"Location": "http://elsewhere/job/unit/"}), PostKind.ACCEPTED),
        (Reply(200, b""), PostKind.ACCEPTED),
        (Reply(400), PostKind.REFUSED),
        (Reply(404), PostKind.REFUSED),
        (Reply(409), PostKind.REFUSED),
        (Reply(500, b"unit is not buildable"), PostKind.REFUSED),
        (Reply(500, b"oops"), PostKind.UNKNOWN),
        (Reply(503), PostKind.UNKNOWN),
    ],
)
def test_answers_to_a_build(
    master: Scripted, session_to: Make, reply: Reply, kind: PostKind
) -> None:
    master.on("/job/unit/buildWithParameters", reply)
    posted = JenkinsMaster(session_to(master.url)).post_build("unit", {"A": "1"})
    assert (posted.kind, posted.queue_id) == (kind, None)
    assert len(master.asked("/job/unit/buildWithParameters")) == 1


def test_a_build_that_is_not_answered_may_be_queued(master: Scripted, session_to: Make) -> None:
    session = session_to(master.url, timeout_seconds=0.3)
    session.client.crumb = False
    master.gate.clear()
    posted = JenkinsMaster(session).post_build("unit", {"A": "1"})
    assert posted.kind is PostKind.UNKNOWN
    assert len(master.asked("/job/unit/buildWithParameters")) == 1


def test_an_expired_crumb_is_fetched_again_once(master: Scripted, session_to: Make) -> None:
    master.on("/crumbIssuer/api/json", crumb("c1"), crumb("c2"))
    master.on("/job/unit/7/stop", Reply(403), Reply(302, headers={"Location": "/x"}))
    JenkinsMaster(session_to(master.url)).stop_build("unit", 7)
    crumbs = [each.headers["Jenkins-Crumb"] for each in master.asked("/job/unit/7/stop")]
    assert crumbs == ["c1", "c2"]


def test_what_is_forbidden_stays_forbidden(master: Scripted, session_to: Make) -> None:
    master.on("/crumbIssuer/api/json", crumb("c1"))
    master.on("/job/unit/7/stop", Reply(403))
    with pytest.raises(JenkinsRefused):
        JenkinsMaster(session_to(master.url)).stop_build("unit", 7)
    assert len(master.asked("/job/unit/7/stop")) == 1


def test_the_login_is_told_to_the_master_and_nobody_else(
    master: Scripted, session_to: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    other = Scripted()
    try:
        other.on("/crumbIssuer/api/json", crumb("c1"))
        away = Reply(302, headers={"Location": f"{other.url}/crumbIssuer/api/json"})
        master.on("/crumbIssuer/api/json", away)
        master.on("/api/json", Reply(302, headers={"Location": f"{other.url}/api/json"}))
        session = session_to(master.url)
        for ask in (lambda: session.post("job/unit/7/stop"), lambda: session.get("api/json")):
            with pytest.raises(JenkinsBadAnswer):
                ask()
        assert other.requests == []
    finally:
        other.close()
    assert all("Authorization" in each.headers for each in master.requests)
    assert PASSWORD not in caplog.text


@pytest.fixture(params=[True, False], ids=["modern", "old"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SandboxJenkins]:
    users = {"zuul": (PASSWORD, "api-token")}
    made = SandboxJenkins(tmp_path, modern=request.param, users=users, quiet_seconds=0.0)
    made.start()
    yield made
    made.stop()


def test_a_look_at_a_master(sandbox: SandboxJenkins, session_to: Make) -> None:
    session = session_to(sandbox.url.rstrip("/"))
    master, reader = JenkinsMaster(session), JenkinsReader(session)
    sandbox.add_node("n1", "linux gcc", 1, "EXCLUSIVE")
    sandbox.add_job("unit", "sleep 30\n", labels="linux || gcc", concurrent=False)
    sandbox.add_job("fol der/ünit", "sleep 30\n", disabled=True)
    assert master.post_build("unit", {"ZUUL_UUID": "u1"}).kind is PostKind.ACCEPTED
    sandbox.wait_for(lambda builds: len(builds) == 1, 10)
    own, node = reader.fetch_computers(detailed=True)
    assert (own.name, own.exclusive, own.busy) == ("", False, ())
    assert node.name == "n1"
    assert node.labels == {"linux", "gcc", "n1"}
    assert node.exclusive
    assert node.busy[0].build.id == BuildId("unit", 1)
    assert node.busy[0].build.uuid == "u1"
    disabled, unit = reader.fetch_jobs()[0]
    assert (disabled.full_name, disabled.buildable) == ("fol der/ünit", False)
    assert (unit.label_expression, unit.concurrent, unit.last_build) == ("linux || gcc", False, 1)
    assert unit.parameters is not None and "ZUUL_UUID" in unit.parameters
    master.post_build("unit", {"ZUUL_UUID": "u2"})
    waiting = eventually(lambda: reader.find("unit", "u2", None).item, "item in the queue")
    assert (waiting.job, waiting.uuid) == ("unit", "u2")
    assert reader.find("unit", "u3", None).builds == ()
    assert [each.id.number for each in reader.find("unit", "u1", None).builds] == [1]


def test_changes_on_a_master(sandbox: SandboxJenkins, session_to: Make) -> None:
    session = session_to(sandbox.url.rstrip("/"))
    master, reader = JenkinsMaster(session), JenkinsReader(session)
    sandbox.add_node("n 1", "linux", 1, "EXCLUSIVE")
    sandbox.add_job("unit", "sleep 30\n", labels="linux")
    master.post_build("unit", {"ZUUL_UUID": "u1"})
    sandbox.wait_for(lambda builds: len(builds) == 1, 10)
    master.describe_build("unit", 1, "<b>ü</b>")
    assert sandbox.builds(uuid="u1")[0].description == "<b>ü</b>"
    assert master.set_offline("n 1")
    assert not master.set_offline("n 1")
    assert sandbox.offline("n 1") == "Offline due to Gearman request"
    master.stop_build("unit", 1)
    ended = eventually(lambda: reader.fetch_build("unit", 1), "build")
    eventually(lambda: not (reader.fetch_build("unit", 1) or ended).building, "end of the build")
    master.stop_build("unit", 1)
    with pytest.raises(JenkinsNotFound):
        reader.fetch_build("unit", 2)


def test_parameters_are_declared(sandbox: SandboxJenkins, session_to: Make) -> None:
    master = JenkinsMaster(session_to(sandbox.url.rstrip("/")))
    sandbox.add_job("unit", "true\n", parameters=())
    before = master.fetch_job_config("unit")
    family, _version = master.fetch_version()
    kind = TEXT if family == "Jenkins" else STRING
    master.change_job_config("unit", add_parameters(before, ["ZUUL_UUID"], kind=kind))
    posted = master.post_build("unit", {"ZUUL_UUID": "u1"})
    assert posted.kind is PostKind.ACCEPTED
    sandbox.wait_for(lambda builds: len(builds) == 1, 10)
    assert len(sandbox.builds(uuid="u1")) == 1


def test_who_a_master_is(sandbox: SandboxJenkins, session_to: Make) -> None:
    sandbox.add_job("unit", "true\n")
    found = JenkinsMaster(session_to(sandbox.url.rstrip("/"))).identify()
    assert (found.family, found.user, found.jobs, found.nodes) in [
        ("Jenkins", "zuul", 1, 1),
        ("Hudson", "zuul", 1, 1),
    ]
    assert found.troubles == ()
