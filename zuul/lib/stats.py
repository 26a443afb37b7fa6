"""Stats: counters, gauges and timers for statsd, over UDP.

Switched on by STATSD_HOST, STATSD_PORT (8125) and STATSD_PREFIX in the environment. A figure is
never worth an error: nothing here raises, and the host's name is looked up once, at start.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Protocol

from statsd import StatsClient

log = logging.getLogger("zuul.Stats")

DEFAULT_PORT = 8125
MAX_PART_LENGTH = 200

#: what the protocol or a file system behind graphite gives a meaning
_UNSAFE = re.compile(r"[^\w.-]", re.ASCII)


class Stats(Protocol):
    """Where figures go. Any thread; never blocks, never raises."""

    def incr(self, key: str, count: int = 1) -> None: ...

    def gauge(self, key: str, value: float) -> None: ...

    def timing(self, key: str, milliseconds: float) -> None: ...


class NoStats:
    """Nobody wants figures."""

    def incr(self, key: str, count: int = 1) -> None:
        pass

    def gauge(self, key: str, value: float) -> None:
        pass

    def timing(self, key: str, milliseconds: float) -> None:
        pass


class StatsdStats:
    """Sends each figure as one datagram."""

    def __init__(self, host: str, port: int, prefix: str | None) -> None:
        """Raises OSError if the host's name cannot be looked up."""
        self._client: StatsClient | NoStats = StatsClient(
            host, port, prefix=prefix and escape_part(prefix)
        )

    def incr(self, key: str, count: int = 1) -> None:
        self._client.incr(key, count)

    def gauge(self, key: str, value: float) -> None:
        self._client.gauge(key, value)

    def timing(self, key: str, milliseconds: float) -> None:
        self._client.timing(key, milliseconds)

    def close(self) -> None:
        client, self._client = self._client, NoStats()
        if isinstance(client, StatsClient):
            client.close()


def stats_from_environment(environment: Mapping[str, str]) -> Stats:
    """The client that STATSD_* ask for; one that does nothing if they cannot be followed."""
    host = environment.get("STATSD_HOST", "")
    if not host:
        return NoStats()
    try:
        port = int(environment.get("STATSD_PORT", "") or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise ValueError(f"{port} is no port")
        return StatsdStats(host, port, environment.get("STATSD_PREFIX") or None)
    except (OSError, ValueError) as error:
        log.warning("No figures go to statsd, STATSD_HOST or STATSD_PORT is wrong: %s", error)
        return NoStats()


def escape_part(text: str) -> str:
    """`text` as one part of a key: `/`, `:` and their like become `_`, dots stay.

    Empty segments become `_` too, so that `..` never reaches a path of graphite's.
    """
    segments = _UNSAFE.sub("_", text[:MAX_PART_LENGTH]).split(".")
    return ".".join([segment or "_" for segment in segments])


def escape_name(text: str) -> str:
    """`text` as one segment of a key: like `escape_part`, and dots become `_`."""
    return escape_part(text.replace(".", "_"))


def escape_project(project: str) -> str:
    """A project as a key's parts: org/project becomes org.project."""
    return escape_part(project.replace("/", "."))
