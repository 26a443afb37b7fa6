"""The JSON of merger jobs: requests out of series, answers into MergeResult. Pure.

Ours is a superset of contract zuul.md 6.1. A merger that says its `merger_id` keeps what it merged:
the item behind is then asked of it alone, on top of the named parent, instead of with its series.
"""

from __future__ import annotations

import re
from typing import Any, Final

from zuul.drivers.gearman.payload import parse_object
from zuul.model.build import MergeConflict, MergeResult, SeriesItem

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def item_fields(item: SeriesItem, url: str) -> dict[str, Any]:
    """One ITEM of `merger:merge`."""
    return {
        "project": item.project,
        "url": url,
        "connection_name": item.connection,
        "merge_mode": int(item.merge_mode),
        "refspec": item.refspec,
        "branch": item.branch,
        "ref": item.zuul_ref,
        "number": item.number,
        "patchset": item.patchset,
        "oldrev": None,
        "newrev": None,
    }


def parse_merged(text: bytes) -> tuple[MergeResult, bool]:
    """(result, whether the merger does not have the parent any more).

    Raises ValueError naming the field that is wrong.
    """
    found = parse_object(text)
    merged = found.get("merged")
    if not isinstance(merged, bool):
        raise ValueError("field merged: expected true or false")
    commit = _sha(found, "commit")
    if merged and not commit:
        raise ValueError("field commit: missing though merged is true")
    conflict = _conflict(found.get("conflict"))
    if merged and conflict is not None:
        raise ValueError("field conflict: present though merged is true")
    result = MergeResult(
        merged=merged,
        commit=commit,
        zuul_url=_text(found, "zuul_url"),
        merger_id=_text(found, "merger_id"),
        tree=_sha(found, "tree"),
        base_tree=_sha(found, "base_tree"),
        conflict=conflict,
        error=_text(found, "error"),
    )
    return result, found.get("unknown_parent") is True


def parse_updated(text: bytes) -> str | None:
    """The zuul_url of an answer to `merger:update`. Raises ValueError."""
    return _text(parse_object(text), "zuul_url")


def parse_head(text: bytes) -> tuple[str, str]:
    """(commit, tree) of an answer to `merger:head`. Raises ValueError."""
    found = parse_object(text)
    commit, tree = _sha(found, "commit"), _sha(found, "tree")
    if not commit or not tree:
        raise ValueError(_text(found, "error") or "fields commit and tree: missing")
    return commit, tree


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"field {key}: expected a text")
    return value


def _sha(found: dict[str, Any], key: str) -> str | None:
    value = _text(found, key)
    if value and not _SHA.fullmatch(value):
        raise ValueError(f"field {key}: expected 40 or 64 hexadecimal digits")
    return value or None


def _conflict(value: Any) -> MergeConflict | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("field conflict: expected an object")
    return MergeConflict(*(str(value.get(key) or "") for key in ("project", "number", "patchset")))
