"""What the scheduler asks of a merger and what it is told: JSON text -> typed values -> JSON text.

The wire format is contracts/zuul.md 6.1 plus the keys described in doc/source/reference/merger.rst.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from zuul.lib.git_names import (
    PROTOCOLS,
    check_branch,
    check_project,
    check_refspec,
    check_url,
    check_zuul_ref,
)
from zuul.merger.failures import RequestInvalid
from zuul.model.layout import MergeMode

MAX_ITEMS = 20_000
MAX_PREFETCH = 1_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a project comes from."""

    project: str
    url: str
    #: names the SSH key to use; empty: none
    connection: str


@dataclass(frozen=True, slots=True)
class MergeItem:
    """One change of a series."""

    origin: Origin
    mode: MergeMode
    refspec: str
    branch: str
    zuul_ref: str
    number: str
    patchset: str

    @property
    def line(self) -> tuple[str, str]:
        """Items of one line build on each other: (project, branch)."""
        return (self.origin.project, self.branch)


@dataclass(frozen=True, slots=True)
class Prefetch:
    """A change that a later request will need: fetched along with this one's."""

    project: str
    refspec: str


@dataclass(frozen=True, slots=True)
class MergeRequest:
    items: tuple[MergeItem, ...]
    #: zuul_ref of the item ahead of the first, whose result this merger is thought to have
    parent: str | None = None
    prefetch: tuple[Prefetch, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    origin: Origin


@dataclass(frozen=True, slots=True)
class HeadRequest:
    origin: Origin
    branch: str


@dataclass(frozen=True, slots=True)
class ConflictingItem:
    project: str
    number: str
    patchset: str


@dataclass(frozen=True, slots=True)
class MergeAnswer:
    """The result of the last item, or why there is none."""

    commit: str | None = None
    tree: str | None = None
    #: tree that the last item was merged onto; None where a result of before a restart was reused
    base_tree: str | None = None
    conflict: ConflictingItem | None = None
    error: str | None = None
    unknown_parent: bool = False

    def wire(self) -> dict[str, Any]:
        """The answer's keys but those of the merger itself."""
        conflict = self.conflict and {
            "project": self.conflict.project,
            "number": self.conflict.number,
            "patchset": self.conflict.patchset,
        }
        return {
            "merged": self.commit is not None,
            "commit": self.commit,
            "tree": self.tree,
            "base_tree": self.base_tree,
            "conflict": conflict,
            "error": self.error,
            "unknown_parent": self.unknown_parent,
        }


def parse_merge(payload: bytes, protocols: Collection[str] = PROTOCOLS) -> MergeRequest:
    """Raises RequestInvalid, which names the first key that is wrong."""
    request = _parse_object(payload)
    items = _list(request, "items", MAX_ITEMS)
    if not items:
        raise RequestInvalid("items: is empty")
    parent = request.get("parent")
    return MergeRequest(
        items=tuple(
            _parse_item(_object(item, f"items[{number}]"), f"items[{number}].", protocols)
            for number, item in enumerate(items)
        ),
        parent=None if parent is None else _parse_parent(parent),
        prefetch=tuple(
            _parse_prefetch(_object(hint, f"prefetch[{number}]"), f"prefetch[{number}].")
            for number, hint in enumerate(_list(request, "prefetch", MAX_PREFETCH))
        ),
    )


def parse_update(payload: bytes, protocols: Collection[str] = PROTOCOLS) -> UpdateRequest:
    """Raises RequestInvalid."""
    return UpdateRequest(_parse_origin(_parse_object(payload), "", protocols))


def parse_head(payload: bytes, protocols: Collection[str] = PROTOCOLS) -> HeadRequest:
    """Raises RequestInvalid."""
    request = _parse_object(payload)
    return HeadRequest(
        _parse_origin(request, "", protocols), check_branch(_text(request, "branch", ""))
    )


def _parse_object(payload: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(f"not JSON: {error}") from error
    return _object(value, "request")


def _parse_item(item: Mapping[str, Any], at: str, protocols: Collection[str]) -> MergeItem:
    mode = item.get("merge_mode")
    if isinstance(mode, bool) or mode not in list(MergeMode):
        raise RequestInvalid(f"{at}merge_mode: expected 1, 2 or 3, found {mode!r}")
    return MergeItem(
        origin=_parse_origin(item, at, protocols),
        mode=MergeMode(mode),
        refspec=check_refspec(_text(item, "refspec", at), f"{at}refspec"),
        branch=check_branch(_text(item, "branch", at), f"{at}branch"),
        zuul_ref=check_zuul_ref(_text(item, "ref", at), f"{at}ref"),
        number=_number(item, "number", at),
        patchset=_number(item, "patchset", at),
    )


def _parse_origin(value: Mapping[str, Any], at: str, protocols: Collection[str]) -> Origin:
    connection = value.get("connection_name")
    if connection is not None and not isinstance(connection, str):
        raise RequestInvalid(f"{at}connection_name: expected text, found {connection!r}")
    return Origin(
        project=check_project(_text(value, "project", at), f"{at}project"),
        url=check_url(_text(value, "url", at), protocols, f"{at}url"),
        connection=connection or "",
    )


def _parse_parent(parent: object) -> str:
    return check_zuul_ref(_text(_object(parent, "parent"), "ref", "parent."), "parent.ref")


def _parse_prefetch(hint: Mapping[str, Any], at: str) -> Prefetch:
    return Prefetch(
        project=check_project(_text(hint, "project", at), f"{at}project"),
        refspec=check_refspec(_text(hint, "refspec", at), f"{at}refspec"),
    )


def _object(value: object, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RequestInvalid(f"{at}: expected an object, found {type(value).__name__}")
    return value


def _list(request: Mapping[str, Any], key: str, limit: int) -> list[Any]:
    value = request.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RequestInvalid(f"{key}: expected a list, found {type(value).__name__}")
    if len(value) > limit:
        raise RequestInvalid(f"{key}: {len(value)} entries are more than {limit}")
    return value


def _text(value: Mapping[str, Any], key: str, at: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise RequestInvalid(f"{at}{key}: expected text, found {found!r}")
    return found


def _number(value: Mapping[str, Any], key: str, at: str) -> str:
    found = value.get(key)
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise RequestInvalid(f"{at}{key}: expected text or a number, found {found!r}")
    return str(found)
