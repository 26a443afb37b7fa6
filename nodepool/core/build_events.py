"""What is told of builds: ZeroMQ messages, rows of a bridge's history, of a target's list. Pure.

A message is a hint: it can be lost, doubled or forged, so what it says is confirmed by surveys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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
    #: its parameters have the node set offline at once, by who started it
    offline_wanted: bool = False


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
    offline_wanted: bool = False
    #: how long it ran; None: not told
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ListedBuild:
    """A build as its target lists it, begun or over."""

    nodename: str
    #: the job's short name, as in messages
    job: str
    number: int
    #: epoch seconds on the target's clock
    started_at: float
    building: bool
    #: None: it runs, or nobody knows
    status: str | None = None
    #: how long it ran; None: it runs, or that is not told
    seconds: float | None = None
    branch: str | None = None
    offline_wanted: bool = False

    @property
    def started(self) -> BuildStarted:
        """What its first message would have said."""
        return BuildStarted(
            self.nodename, self.job, self.number, offline_wanted=self.offline_wanted
        )

    @property
    def finalized(self) -> BuildFinalized:
        """What its last message would have said."""
        return BuildFinalized(
            self.nodename,
            self.job,
            self.status,
            self.branch,
            self.number,
            offline_wanted=self.offline_wanted,
            seconds=self.seconds,
        )


@dataclass(frozen=True, slots=True)
class BuildEventsMissed:
    """A publisher is heard again, or for the first time, or still is not: what it sent is lost.
    While it is not heard, that is told every half minute."""

    #: epoch seconds; what it sent until then was heard, or told to be missed
    since: float


@dataclass(frozen=True, slots=True)
class BuildEventsHeard:
    """All that a publisher sent until then was told before this, or told to be missed."""

    publisher: str
    #: epoch seconds
    until: float


@dataclass(frozen=True, slots=True)
class BuildsListed:
    """Builds on the nodes that were asked for, each since its own moment."""

    target: str
    builds: tuple[ListedBuild, ...]
    #: nodes of whose builds there may be more than the target could tell
    unsure: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BuildsNotListed:
    """The target did not tell."""

    target: str
    text: str = ""


BuildEvent = (
    BuildStarted
    | BuildFinalized
    | BuildEventsMissed
    | BuildEventsHeard
    | BuildsListed
    | BuildsNotListed
)


def wants_offline(parameters: Mapping[str, Any]) -> bool:
    """Whether a build's parameters have its node set offline (contract gearman-bridge.md 16)."""
    return parameters.get("OFFLINE_NODE_WHEN_COMPLETE") in ("1", "true", "True", "TRUE")


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
    parameters = build.get("parameters")
    if not isinstance(parameters, dict):
        parameters = {}
    offline_wanted = wants_offline(parameters)
    if topic == "onStarted":
        return BuildStarted(nodename, job, number, host_name, at, offline_wanted)
    status, branch = build.get("status"), parameters.get("ZUUL_BRANCH")
    return BuildFinalized(
        nodename,
        job,
        status if isinstance(status, str) else None,
        branch if isinstance(branch, str) else None,
        number,
        host_name,
        at,
        offline_wanted,
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
