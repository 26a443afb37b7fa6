"""One story told to a real Hudson and to the sandbox's old mode; what both say has equal keys and
types, resource by resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.contract.jenkins_site import JenkinsSite, wait_for
from tests.sandbox.jenkins import SandboxJenkins
from tests.sandbox.jenkins_model import Parameter
from tests.support.real_hudson import real_hudsons

pytestmark = [pytest.mark.integration, pytest.mark.real, pytest.mark.timeout(180)]

#: lists and objects whose content is the master's own business
OPAQUE = frozenset(("monitorData", "loadStatistics", "overallLoad", "healthReport", "scm"))
DECLARED = (
    Parameter("ZUUL_UUID"),
    Parameter("FLAG", "Boolean", "true"),
    Parameter("CHOICE", "Choice", choices=("a", "b")),
)
RESOURCES = {
    "root": ("", {}),
    "root, deep": ("", {"depth": "1"}),
    "computers": ("computer/", {}),
    "computers, deep": ("computer/", {"depth": "2"}),
    "own node": ("computer/(master)/", {}),
    "waiting, blocked, buildable": ("queue/", {}),
    "job that runs": ("job/busy/", {}),
    "job that runs, deep": ("job/busy/", {"depth": "1"}),
    "job never built": ("job/fresh/", {}),
    "job done": ("job/done/", {}),
    "running build": ("job/busy/1/", {}),
    "finished build": ("job/done/1/", {}),
    "finished build, deep": ("job/done/1/", {"depth": "1"}),
    "label": ("label/master/", {}),
    "label nobody has": ("label/none/", {}),
    "all nodes": ("label/%21none/", {"tree": "nodes[nodeName,mode,assignedLabels[name]]"}),
    "builds by tree": (
        "job/done/",
        {"tree": "builds[number,queueId,builtOn,actions[parameters[name,value]]]"},
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[JenkinsSite]]:
    """The real one and the sandbox, both told the story."""
    folder = tmp_path_factory.mktemp("old")
    with real_hudsons(1) as [hudson], SandboxJenkins(folder, modern=False) as sandbox:
        sites = [JenkinsSite("real", hudson), JenkinsSite("sandbox", sandbox)]
        for site in sites:
            _tell(site)
        yield sites
        for site in sites:
            site.post("job/busy/1/stop")
            site.close()


def _tell(site: JenkinsSite) -> None:
    site.job("true", name="done", parameters=DECLARED)
    site.job("sleep 120", name="busy", parameters=DECLARED, concurrent=False)
    site.job(name="fresh", parameters=DECLARED, disabled=True)
    site.job(name="stuck", parameters=DECLARED, labels="none")
    site.finished("done", site.submitted("done"))
    site.running("busy", site.submitted("busy"))
    site.queued("busy", site.submitted("busy"), "already in progress")
    site.queued("done", site.submitted("done", delay="600sec"))
    site.submit("stuck", "stuck")
    wait_for(lambda: [item for item in site.queue("stuck") if item["buildable"]])


@pytest.mark.parametrize("resource", RESOURCES)
def test_equal_keys_and_types(told: list[JenkinsSite], resource: str) -> None:
    path, query = RESOURCES[resource]
    real, sandbox = (shape(site.get(path, **query)) for site in told)
    assert sandbox == real


@pytest.mark.parametrize("resource", ["api/json", "job/done/1/api/json", "queue/api/json", ""])
def test_equal_kinds_of_answers(told: list[JenkinsSite], resource: str) -> None:
    real, sandbox = (site.raw("GET", resource) for site in told)
    for header in ("X-Hudson", "X-Jenkins"):
        assert sandbox.headers.get(header) == real.headers.get(header)
    kinds = [one.headers["Content-Type"].partition(";")[0] for one in (real, sandbox)]
    assert kinds[0] == kinds[1]


def test_an_error_page_says_gzip_and_is_not(told: list[JenkinsSite]) -> None:
    for site in told:
        with requests.get(
            f"{site.jenkins.url}api/json",
            params={"tree": "jobs["},
            headers={"Accept-Encoding": "gzip", "Connection": "close"},
            stream=True,
            timeout=30,
        ) as answer:
            assert (answer.status_code, answer.headers["Content-Encoding"]) == (500, "gzip")
            with pytest.raises(requests.exceptions.ContentDecodingError):
                assert answer.content


@pytest.mark.parametrize(
    ("deed", "query"),
    [
        ("job/done/1/stop", {}),
        ("job/done/1/submitDescription", {"description": "d"}),
        ("job/fresh/enable", {}),
        ("job/fresh/build", {}),
        ("job/none/build", {}),
        ("computer/(master)/toggleOffline", {"offlineMessage": "m"}),
        ("computer/(master)/toggleOffline", {}),
        ("computer/none/doDelete", {}),
        ("quietDown", {}),
        ("cancelQuietDown", {}),
        ("queue/items/99/cancelQueue", {}),
        ("createItem", {}),
        ("job/done/buildWithParameters", {"CHOICE": "c"}),
        ("job/done/buildWithParameters", {"delay": "soon"}),
        ("crumbIssuer/api/json", {}),
        ("job/fresh/doDelete", {}),
    ],
)
def test_equal_answers_to_deeds(told: list[JenkinsSite], deed: str, query: dict[str, str]) -> None:
    answers = []
    for site in told:
        answer = site.post(deed, **query)
        place = answer.headers.get("Location", "").removeprefix(site.jenkins.url)
        answers.append((answer.status_code, place))
    assert answers[1] == answers[0]


def shape(value: Any) -> Any:
    """Keys and types; of a list the kinds of elements there are."""
    if isinstance(value, dict):
        return {key: "opaque" if key in OPAQUE else shape(below) for key, below in value.items()}
    if isinstance(value, list):
        kinds: list[Any] = []
        for row in value:
            kind = shape(row)
            if kind not in kinds:
                kinds.append(kind)
        return sorted(kinds, key=repr)
    return type(value).__name__
