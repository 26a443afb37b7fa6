"""What the contract cases do to a Jenkins, whichever it is, over REST alone."""

from __future__ import annotations

import itertools
import time
import uuid as uuids
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import requests

from tests.sandbox.jenkins_model import Mode, Parameter
from tests.support.waiting import pauses

WAIT_SECONDS = 30.0
REST_SECONDS = 30.0
BUILD_TREE = (
    "number,url,building,result,builtOn,timestamp,duration,description,"
    "actions[parameters[name,value]]"
)
DECLARED = (Parameter("ZUUL_UUID"), Parameter("WORDS"))
_count = itertools.count(1)

Row = dict[str, Any]
T = TypeVar("T")


class Jenkins(Protocol):
    """What sandbox and real one have in common."""

    modern: bool

    @property
    def url(self) -> str: ...
    def add_job(
        self,
        name: str,
        script: str | Iterable[str] = ...,
        *,
        labels: str | None = ...,
        parameters: Iterable[str | Parameter] = ...,
        concurrent: bool = ...,
        disabled: bool = ...,
        quiet_seconds: float | None = ...,
    ) -> None: ...
    def add_node(
        self, name: str, labels: str = ..., executors: int = ..., mode: Mode = ...
    ) -> None: ...
    def start(self) -> object: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class JenkinsSite:
    """One master and somebody who uses it."""

    def __init__(self, kind: str, jenkins: Jenkins) -> None:
        self.kind = kind
        self.jenkins = jenkins
        self.modern = jenkins.modern
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    # -- requests ------------------------------------------------------------------------------

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a path below the root; `/api/json` is added."""
        answer = self.raw("GET", f"{path}api/json", **query)
        assert answer.status_code == 200, (answer.status_code, answer.text[:300])
        return answer.json()

    def post(self, path: str, data: Any = None, **query: str) -> requests.Response:
        return self.raw("POST", path, data, **query)

    def post_xml(self, path: str, text: str, **query: str) -> requests.Response:
        return self.raw("POST", path, text.encode(), "text/xml; charset=utf-8", **query)

    def raw(
        self, method: str, path: str, data: Any = None, content_type: str = "", **query: str
    ) -> requests.Response:
        """The answer whatever it is; redirects are not followed. POSTs have a crumb if needed."""
        # Hudson says gzip of error pages that are not compressed, and after a refused POST of XML
        # it takes no parameters any more on the same connection.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if content_type:
            headers["Content-Type"] = content_type
        if method == "POST" and self.modern:
            issued = self._session.get(
                f"{self.jenkins.url}crumbIssuer/api/json", timeout=REST_SECONDS
            )
            if issued.status_code == 200:
                headers[issued.json()["crumbRequestField"]] = issued.json()["crumb"]
        return self._session.request(
            method,
            self.jenkins.url + path,
            params=query,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=REST_SECONDS,
        )

    # -- jobs and builds -----------------------------------------------------------------------

    def job(
        self,
        script: str = "true",
        *,
        parameters: Iterable[Parameter] = DECLARED,
        name: str = "",
        **settings: Any,
    ) -> str:
        """A new job of a test's own; its name."""
        name = name or f"job-{next(_count)}"
        self.jenkins.add_job(name, script, parameters=parameters, **settings)
        return name

    def node(self, labels: str = "", executors: int = 1, mode: Mode = "NORMAL") -> str:
        name = f"node-{next(_count)}"
        self.jenkins.add_node(name, labels, executors, mode)
        return name

    def submit(
        self, job: str, uuid: str, *, delay: str = "0sec", **words: str
    ) -> requests.Response:
        form = {"ZUUL_UUID": uuid, "delay": delay, **words}
        answer = self.post(f"{job_path(job)}buildWithParameters", form)
        assert answer.status_code in (201, 302), (answer.status_code, answer.text[:300])
        return answer

    def submitted(self, job: str, *, delay: str = "0sec", **words: str) -> str:
        """The UUID of a build that was asked for."""
        uuid = str(uuids.uuid4())
        self.submit(job, uuid, delay=delay, **words)
        return uuid

    def builds(self, job: str, uuid: str | None = None) -> list[Row]:
        """Newest first, with `parameters` as a dictionary."""
        rows: list[Row] = self.get(job_path(job), tree=f"builds[{BUILD_TREE}]").get("builds", [])
        for row in rows:
            row["parameters"] = parameters_of(row)
        return [row for row in rows if uuid in (None, row["parameters"].get("ZUUL_UUID"))]

    def running(self, job: str, uuid: str) -> Row:
        """The build, once it runs. Old masters list it a moment before they know its node."""
        return wait_for(
            lambda: next((r for r in self.builds(job, uuid) if r["builtOn"] is not None), None)
        )

    def finished(self, job: str, uuid: str) -> Row:
        """The build, once it is over. Old masters know results a moment before that."""
        return wait_for(
            lambda: next(
                (r for r in self.builds(job, uuid) if r["result"] and not r["building"]), None
            )
        )

    def console(self, job: str, number: int) -> str:
        return self.raw("GET", f"{job_path(job)}{number}/consoleText").text

    # -- the queue -----------------------------------------------------------------------------

    def queue(self, job: str) -> list[Row]:
        """Items of a job, each with its `index` in the whole queue."""
        items = self.get("queue/")["items"]
        for index, item in enumerate(items):
            item["index"] = index
            item["parameters"] = parameters_of(item)
        return [item for item in items if item["task"]["name"] == job]

    def queued(self, job: str, uuid: str, why: str = "") -> Row:
        """The item of a build that waits, once it is there and says so."""
        return wait_for(
            lambda: next(
                (
                    item
                    for item in self.queue(job)
                    if item["parameters"].get("ZUUL_UUID") == uuid and why in (item["why"] or "")
                ),
                None,
            )
        )

    def cancel(self, item: Row) -> requests.Response:
        if self.modern:
            return self.post("queue/cancelItem", id=str(item["id"]))
        return self.post(f"queue/items/{item['index']}/cancelQueue")

    # -- nodes ---------------------------------------------------------------------------------

    def computer(self, name: str) -> Row:
        rows = self.get("computer/", depth="2")["computer"]
        found: Row = next(row for row in rows if row["displayName"] == name)
        return found


def job_path(name: str) -> str:
    return "".join(f"job/{quote(part, safe='')}/" for part in name.split("/"))


def parameters_of(row: Row) -> dict[str, Any]:
    return {
        one["name"]: one.get("value")
        for action in row["actions"]
        for one in (action or {}).get("parameters", ())
    }


def wait_for(find: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """What `find` finds, as soon as it finds something true."""
    deadline = time.monotonic() + seconds
    pause = pauses()
    while not (found := find()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(next(pause))
    return found
