"""Requests as JSON: the contract's shape passes, anything else is refused by the key's name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.merger.failures import RequestInvalid
from zuul.merger.requests import (
    ConflictingItem,
    MergeAnswer,
    parse_head,
    parse_merge,
    parse_update,
)
from zuul.model.layout import MergeMode

ITEM: dict[str, Any] = {
    "project": "org/project",
    "url": "ssh://zuul@review.example.com:29418/org/project",
    "connection_name": "gerrit",
    "merge_mode": 2,
    "refspec": "refs/changes/45/12345/3",
    "branch": "master",
    "ref": "Z" + "a" * 32,
    "number": 12345,
    "patchset": "3",
    "oldrev": None,
    "newrev": None,
}


def test_an_item_of_the_contract() -> None:
    request = parse_merge(json.dumps({"items": [ITEM]}).encode())
    (item,) = request.items
    assert item.mode is MergeMode.MERGE_RESOLVE
    assert (item.number, item.patchset) == ("12345", "3")
    assert item.line == ("org/project", "master")
    assert request.parent is None


def test_parent_and_prefetch() -> None:
    hint = {"project": "org/other", "refspec": "refs/changes/1/1/1"}
    text = json.dumps({"items": [ITEM], "parent": {"ref": "Z1"}, "prefetch": [hint]})
    request = parse_merge(text.encode())
    assert request.parent == "Z1"
    assert request.prefetch[0].refspec == "refs/changes/1/1/1"


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({}, "items: is empty"),
        ({"items": {}}, "items: expected a list"),
        ({"items": [3]}, r"items\[0\]: expected an object"),
        ({"items": [ITEM], "parent": "Z1"}, "parent: expected an object"),
        ({"items": [ITEM], "parent": {"ref": None}}, r"parent\.ref: expected text"),
        ({"items": [ITEM], "prefetch": [{}]}, r"prefetch\[0\]\.project: expected text"),
        ({"items": [ITEM, {**ITEM, "merge_mode": True}]}, r"items\[1\]\.merge_mode"),
        ({"items": [{**ITEM, "connection_name": 3}]}, r"items\[0\]\.connection_name"),
        ({"items": [{**ITEM, "branch": None}]}, r"items\[0\]\.branch: expected text"),
    ],
)
def test_mistakes_are_named(request_: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestInvalid, match=named):
        parse_merge(json.dumps(request_).encode())


@given(st.binary(max_size=200))
def test_bytes_never_raise_anything_else(payload: bytes) -> None:
    for parse in (parse_merge, parse_update, parse_head):
        with pytest.raises(RequestInvalid):
            parse(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(sorted(ITEM)), _JSON)
def test_values_of_any_type_are_parsed_or_refused(key: str, value: object) -> None:
    try:
        request = parse_merge(json.dumps({"items": [{**ITEM, key: value}]}).encode())
    except RequestInvalid as error:
        assert str(error).startswith(f"items[0].{key}")
    else:
        assert len(request.items) == 1


def test_answers_have_the_keys_of_the_wire() -> None:
    conflict = MergeAnswer(conflict=ConflictingItem("p", "1", "2"), error="conflict in x")
    assert conflict.wire() == {
        "merged": False,
        "commit": None,
        "tree": None,
        "base_tree": None,
        "conflict": {"project": "p", "number": "1", "patchset": "2"},
        "error": "conflict in x",
        "unknown_parent": False,
    }
    assert MergeAnswer(commit="c", tree="t").wire()["merged"] is True
