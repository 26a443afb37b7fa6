"""Payload: the JSON object of a request, read field by field.

Every problem is a RequestError that names the function and the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zuul.core.requests import PatchSet
from zuul.errors import RequestError

MOST_CHARACTERS = 1000
MOST_CHANGES = 1000
NO_REVISION = "0" * 40
UNKNOWN_CALLER = "unknown"

_CHANGE = re.compile(r"([0-9]{1,18}),([0-9]{1,9})")
_REVIEW = re.compile(r"([0-9]{1,18})(?:,([0-9]{1,9}))?")
_REVISION = re.compile(r"[0-9a-f]{40}")


class Payload:
    """Reads once; `finish` complains of keys that nobody read."""

    def __init__(self, function: str, values: Mapping[str, Any]) -> None:
        self._function = function
        self._values = dict(values)
        self._read: dict[str, object] = {}

    @property
    def arguments(self) -> Mapping[str, object]:
        """What was read, without who asks and why."""
        return {k: v for k, v in self._read.items() if k not in ("by", "reason") and v is not None}

    def find_text(self, key: str) -> str | None:
        """None where it is absent or null."""
        value = self._values.get(key)
        if value is not None and (
            not isinstance(value, str) or not value or len(value) > MOST_CHARACTERS
        ):
            raise self._problem(key, f"expected a text of up to {MOST_CHARACTERS} characters")
        self._read[key] = value
        return value

    def text(self, key: str) -> str:
        value = self.find_text(key)
        if value is None:
            raise self._problem(key, "is required")
        return value

    def caller(self) -> str:
        """Who asks. Compat: older clients do not say."""
        return self.find_text("by") or UNKNOWN_CALLER

    def flag(self, key: str) -> bool:
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self._problem(key, "expected true or false")
        self._read[key] = value or None
        return value

    def revision(self, key: str) -> str:
        value = (self.find_text(key) or NO_REVISION).lower()
        if not _REVISION.fullmatch(value):
            raise self._problem(key, "expected 40 hexadecimal digits")
        return value

    def find_change(self, key: str) -> PatchSet | None:
        text = self.find_text(key)
        return None if text is None else parse_change(text)

    def review(self, key: str) -> tuple[str, str | None]:
        """`N` or `N,P`."""
        text = self.text(key)
        match = _REVIEW.fullmatch(text)
        if match is None:
            raise RequestError(f"Invalid change: {text}\nexpected NUMBER or NUMBER,PATCHSET")
        return match[1], match[2]

    def changes(self, key: str) -> tuple[PatchSet, ...]:
        values = self._values.get(key)
        if (
            not isinstance(values, list)
            or not 1 <= len(values) <= MOST_CHANGES
            or not all(isinstance(value, str) for value in values)
        ):
            raise self._problem(key, f"expected a list of 1 to {MOST_CHANGES} changes")
        self._read[key] = values
        return tuple(parse_change(value) for value in values)

    def finish(self) -> None:
        strange = sorted(set(self._values) - set(self._read))
        if strange:
            known = ", ".join(sorted(self._read))
            raise self._problem(strange[0][:80], f"is not known (known: {known})")

    def _problem(self, key: str, text: str) -> RequestError:
        return RequestError(f"{self._function}: {key}: {text}")


def parse_change(text: str) -> PatchSet:
    """Raises RequestError for what is not `N,P`."""
    match = _CHANGE.fullmatch(text)
    if match is None:
        raise RequestError(f"Invalid change: {text[:80]}\nexpected NUMBER,PATCHSET")
    return match[1], match[2]
