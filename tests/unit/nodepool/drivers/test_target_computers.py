"""What masters tell of their computers, with descriptions and without."""

from __future__ import annotations

from typing import Any

import pytest

from nodepool.alien_computers import ListedComputer
from nodepool.drivers.target_computers import description_of, parse_listed
from nodepool.errors import TargetError

ROW = {"displayName": "n-1", "idle": True, "offline": False}


@pytest.mark.parametrize(
    ("more", "description"),
    [
        ({"description": "words"}, "words"),
        ({"description": ""}, ""),
        ({"description": None}, ""),
        ({"description": 5}, ""),
        ({}, None),
    ],
)
def test_a_description_that_is_not_told_may_be_asked_for(
    more: dict[str, Any], description: str | None
) -> None:
    (found,) = parse_listed({"computer": [ROW | more], "totalExecutors": 1})
    assert found == ListedComputer("n-1", idle=True, offline=False, description=description)


@pytest.mark.parametrize(
    "rows", [None, [], [ROW, 5], [ROW, {"displayName": "n-2", "idle": True}], [ROW | {"idle": 1}]]
)
def test_a_part_of_the_list_is_none(rows: Any) -> None:
    with pytest.raises(TargetError):
        parse_listed({"computer": rows, "totalExecutors": 2})


@pytest.mark.parametrize(
    ("nodes", "description"),
    [
        ([{"nodeName": "n-1", "nodeDescription": "words"}], "words"),
        ([{"nodeName": "other"}, {"nodeName": "n-1"}], ""),
        ([{"nodeName": "n-11", "nodeDescription": "words"}, 5], None),
        ([], None),
        (None, None),
    ],
)
def test_the_description_of_a_label_s_node(nodes: Any, description: str | None) -> None:
    assert description_of("n-1", {"nodes": nodes}) == description
