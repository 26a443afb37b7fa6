"""What workers tell about a build: JSON text -> typed values, with every problem named. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from zuul.model.build import BuildData, Worker

MAX_BYTES: Final = 1024 * 1024
_MAX_RESULT: Final = 200
#: what a worker says of itself is kept as long as its build, and shown to all
_MAX_TEXT: Final = 4096
_MAX_TEXTS: Final = 256
_MAX_EXTRA_BYTES: Final = 64 * 1024
_T = TypeVar("_T")


@dataclass(slots=True)
class Report:
    """One data packet."""

    data: BuildData
    #: `result` of this packet; None if it has none
    result: str | None = None
    #: what was wrong, one sentence a field; such a field counts as absent
    problems: list[str] = field(default_factory=list)


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object of bounded size. Raises ValueError that says what it is instead."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"{len(text)} bytes are too much")
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def parse_report(text: bytes, before: BuildData) -> Report:
    """A data packet of a build. Fields it lacks stay as in `before`; the number never changes."""
    try:
        found = parse_object(text)
    except ValueError as error:
        return Report(before, None, [f"data packet: {error}"])
    reader = _Reader(found)
    worker = Worker(
        name=reader.take("worker_name", _text, before.worker.name),
        hostname=reader.take("worker_hostname", _text, before.worker.hostname),
        ips=reader.take("worker_ips", _texts, before.worker.ips),
        fqdn=reader.take("worker_fqdn", _text, before.worker.fqdn),
        program=reader.take("worker_program", _text, before.worker.program),
        version=reader.take("worker_version", _text, before.worker.version),
        extra=reader.take("worker_extra", _mapping, before.worker.extra),
    )
    number = reader.take("number", _scalar, None)
    data = replace(
        before,
        number=number if before.number is None else before.number,
        manager=reader.take("manager", _text, before.manager),
        url=reader.take("url", _text, before.url),
        worker=worker,
        node_labels=reader.take("node_labels", _texts, before.node_labels),
        node_name=reader.take("node_name", _text, before.node_name),
    )
    return Report(data, reader.take("result", _result, None), reader.problems)


class _Reader:
    """Takes fields out of an object and remembers what was wrong with them."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found
        self.problems: list[str] = []

    def take(self, key: str, convert: Callable[[Any], _T], absent: _T) -> _T:
        value = self._found.get(key)
        if value is None:
            return absent
        try:
            return convert(value)
        except ValueError as error:
            self.problems.append(f"field {key}: {error}")
            return absent


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ValueError(f"expected a text of at most {_MAX_TEXT} characters")
    return value


def _result(value: Any) -> str | None:
    text = _text(value)
    if text is None or not 0 < len(text) <= _MAX_RESULT or not text.isprintable():
        raise ValueError(f"expected 1 to {_MAX_RESULT} printable characters")
    return text


def _scalar(value: Any) -> str | int | float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected a number or a text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    return _text(value) if isinstance(value, str) else value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_TEXTS:
        raise ValueError(f"expected a list of at most {_MAX_TEXTS} texts")
    return tuple(_text(entry) or "" for entry in value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    try:
        size = len(json.dumps(value, allow_nan=False))
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if size > _MAX_EXTRA_BYTES:
        raise ValueError(f"expected an object of at most {_MAX_EXTRA_BYTES} bytes")
    return value
