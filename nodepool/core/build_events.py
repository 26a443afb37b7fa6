"""ZeroMQ messages, and rows of a bridge's history -> BuildStarted, BuildFinalized. Pure.

A message is a hint: it can be lost, doubled or forged, so what it says is confirmed by surveys.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from nodepool.errors import BuildEventError

MAX_BYTES = 1 << 20
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """A build took a node."""

    nodename: str
    job: str
    #: the build's number and master, where they are told
    number: int | None = None
    host_name: str | None = None
    #: epoch seconds, of the history; None: it is heard as it happens
    at: float | None = None


@dataclass(frozen=True, slots=True)
class BuildFinalized:
    """A build is over, its log closed."""

    nodename: str
    job: str
    #: None: not told
    status: str | None
    branch: str | None = None
    number: int | None = None
    host_name: str | None = None
    #: as of BuildStarted
    at: float | None = None


#: topics that say nothing of use here
_IGNORED = frozenset(("onCompleted",))
#: between topic and body: publishers write one space, listeners always took any
_SPACE = re.compile(r"\s+", re.ASCII)


def parse_build_event(frame: bytes) -> BuildStarted | BuildFinalized | None:
    """None: a message that is of no concern. Raises BuildEventError for what is no message."""
    if len(frame) > MAX_BYTES:
        raise BuildEventError(f"message of {len(frame)} bytes is too long")
    try:
        topic, *rest = _SPACE.split(frame.decode("utf-8").strip(), maxsplit=1)
    except UnicodeDecodeError as error:
        raise BuildEventError(f"message is not UTF-8: {error}") from error
    if not _is_wanted(topic):
        return None
    try:
        data = json.loads("".join(rest))
    except (ValueError, RecursionError) as error:
        raise BuildEventError(f"{topic} is not JSON: {error}") from error
    return _build_event(topic, data, None)


def read_build_event(topic: str, data: Any, at: float) -> BuildStarted | BuildFinalized | None:
    """As parse_build_event, of a message that was taken apart before."""
    return _build_event(topic, data, at) if _is_wanted(topic) else None


def _is_wanted(topic: str) -> bool:
    if topic in _IGNORED:
        return False
    if topic not in ("onStarted", "onFinalized"):
        raise BuildEventError(f"unhandled phase {topic[:40]!r}")
    return True


def _build_event(topic: str, data: Any, at: float | None) -> BuildStarted | BuildFinalized | None:
    build = _map(data, "build", topic)
    nodename = build.get("node_name")
    if nodename is None or nodename == "":
        return None  # the executor is gone, or it was the master
    job, nodename = _text(data.get("name"), "name"), _text(nodename, "build.node_name")
    number = build.get("number") if isinstance(build.get("number"), int) else None
    host_name = build.get("host_name") if isinstance(build.get("host_name"), str) else None
    if topic == "onStarted":
        return BuildStarted(nodename, job, number, host_name, at)
    status = build.get("status")
    parameters = build.get("parameters")
    branch = parameters.get("ZUUL_BRANCH") if isinstance(parameters, dict) else None
    return BuildFinalized(
        nodename,
        job,
        status if isinstance(status, str) else None,
        branch if isinstance(branch, str) else None,
        number,
        host_name,
        at,
    )


def _map(data: Any, key: str, topic: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise BuildEventError(f"{topic} has no {key}")
    return found


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_NAME:
        raise BuildEventError(f"{what} is not a name")
    return value
