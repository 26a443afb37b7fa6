"""What a master's JSON says of its jobs."""

from typing import Any

import pytest

from gearman_plugin_shim.jenkins_rows import parse_jobs


def definitions(*names: str) -> dict[str, Any]:
    return {"parameterDefinitions": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("properties", "declared"),
    [
        (None, set()),
        ([], set()),
        ([{}], set()),
        ([{}, definitions("ZUUL_UUID", "ZUUL_REF")], {"ZUUL_UUID", "ZUUL_REF"}),
        ([definitions("OLD"), definitions("ZUUL_UUID")], {"ZUUL_UUID"}),
        ([definitions("ZUUL_UUID"), {"parameterDefinitions": None}], {"ZUUL_UUID"}),
    ],
    ids=["absent", "none", "other", "one", "the last of two counts", "null"],
)
def test_declared_parameters(properties: Any, declared: set[str]) -> None:
    row = {
        "name": "unit",
        "url": "http://master/job/unit/",
        "buildable": True,
        "property": properties,
    }
    (job,) = parse_jobs({"jobs": [row]})
    assert job.parameters == declared
