"""What the driver answers without asking anybody."""

from __future__ import annotations

from typing import Any

import pytest

from zuul.config import GerritConnectionConfig
from zuul.drivers.gerrit.driver import GerritActionSchema, GerritDriver


class Nobody:
    """Interest and branch heads that are never asked."""

    def wants(self, event: object) -> bool:
        raise AssertionError

    def fetch_branch_head(self, *_: Any) -> tuple[str, str]:
        raise AssertionError


def make_driver(**settings: Any) -> GerritDriver:
    config = GerritConnectionConfig(
        **({"name": "gerrit", "server": "review.example.org", "user": "zuul"} | settings)
    )
    return GerritDriver(config, [].append, Nobody(), Nobody())


@pytest.mark.parametrize(
    ("settings", "project", "url"),
    [
        ({}, "org/demo", "ssh://zuul@review.example.org:29418/org/demo"),
        ({"port": 22}, "a b", "ssh://zuul@review.example.org:22/a%20b"),
        ({}, "-oProxyCommand=x", "ssh://zuul@review.example.org:29418/-oProxyCommand%3Dx"),
        ({}, "käse?#%", "ssh://zuul@review.example.org:29418/k%C3%A4se%3F%23%25"),
        ({"user": "me@home"}, "a", "ssh://me%40home@review.example.org:29418/a"),
        ({"server": "::1"}, "a", "ssh://zuul@[::1]:29418/a"),
    ],
)
def test_git_url(settings: dict[str, Any], project: str, url: str) -> None:
    assert make_driver(**settings).git_url(project) == url


def test_reporter_parameters() -> None:
    schema = GerritActionSchema()
    assert schema.problems({"verified": 2, "submit": True, "force-message": True}) == []
    assert schema.problems({}) == []
    assert [key for key, _ in schema.problems({"-x": 1, "v": [1], "w": None, "y": {}})] == [
        "-x",
        "v",
        "w",
        "y",
    ]
    assert schema.problems([{"verified": 1}])
