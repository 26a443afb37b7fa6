"""Which computers a master shows as used up by a build."""

from __future__ import annotations

from typing import Any

import pytest

from nodepool.drivers.jenkins_rows import parse_computers


@pytest.mark.parametrize(
    ("row", "spent"),
    [
        (
            {"temporarilyOffline": True, "offlineCauseReason": "Offline due to Gearman request"},
            True,
        ),
        (
            {
                "temporarilyOffline": True,
                "offlineCauseReason": "Disconnected by zuul : Offline due to Gearman request",
            },
            True,
        ),
        ({"temporarilyOffline": True, "offlineCauseReason": "Disconnected by ann : a look"}, False),
        # A Hudson does not tell.
        ({"temporarilyOffline": True}, True),
        ({"temporarilyOffline": False, "offlineCauseReason": ""}, False),
        ({}, False),
    ],
)
def test_spent(row: dict[str, Any], spent: bool) -> None:
    found = {"displayName": "n", "idle": True, "offline": True, **row}
    assert parse_computers({"computer": [found]})["n"].spent is spent
