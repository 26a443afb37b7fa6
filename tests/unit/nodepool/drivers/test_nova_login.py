"""What a login says of domains to keystone's version 3."""

from __future__ import annotations

import pytest

from nodepool.config.values import CloudConfig
from nodepool.drivers.nova_calls import login_of
from zuul.lib.secret import Secret


@pytest.mark.parametrize(
    ("words", "user", "project"),
    [
        ({}, ("default", None), ("default", None)),
        ({"user_domain_name": "U"}, (None, "U"), ("default", None)),
        ({"user_domain_id": "u"}, ("u", None), ("default", None)),
        ({"project_domain_name": "P"}, ("default", None), (None, "P")),
        ({"user_domain_id": "u", "project_domain_id": "p"}, ("u", None), ("p", None)),
    ],
)
def test_domains_that_are_not_named_are_the_default_one(
    words: dict[str, str],
    user: tuple[str | None, str | None],
    project: tuple[str | None, str | None],
) -> None:
    cloud = CloudConfig(
        auth_url="http://x", username="u", password=Secret("p"), project_name="p", **words
    )
    login = login_of(cloud).create_plugin(None, (3, 0), "http://x/v3")  # type: ignore[attr-defined]
    (method,) = login.auth_methods
    assert (method.user_domain_id, method.user_domain_name) == user
    assert (login.project_domain_id, login.project_domain_name) == project
