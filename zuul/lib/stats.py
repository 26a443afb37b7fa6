"""Stats: counters, gauges and timers for statsd, over UDP.

Switched on by STATSD_HOST, STATSD_PORT (8125) and STATSD_PREFIX in the environment; nodepool's by
STATSD_PORT alone, too. A figure is never worth an error: nothing here raises, and the host's name
is looked up once, at start.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from statsd import StatsClient

log = logging.getLogger("zuul.Stats")

DEFAULT_PORT = 8125
MAX_PART_LENGTH = 200
#: escaped texts kept at hand: a site has some thousand jobs
KEPT_KEYS = 8192

#: what the protocol or a file system behind graphite gives a meaning
_UNSAFE = re.compile(r"[^\w.-]", re.ASCII)


class Stats:
    """Where figures go: each is one datagram, or nothing at all. Any thread."""

    def __init__(self, client: StatsClient | None = None) -> None:
        self._client = client

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, default_host: str = ""
    ) -> Self:
        """What STATSD_* ask for; one that sends nothing if they cannot be followed.
        `default_host`: where there is a STATSD_PORT and no STATSD_HOST."""
        host = environment.get("STATSD_HOST", "")
        if not host and environment.get("STATSD_PORT"):
            host = default_host
        if not host:
            return cls()
        prefix = environment.get("STATSD_PREFIX", "")
        try:
            port = int(environment.get("STATSD_PORT", "") or DEFAULT_PORT)
            if not 0 < port < 65536:
                raise ValueError(f"{port} is no port")
            # The library looks the name up here, and swallows what goes wrong when it sends.
            return cls(StatsClient(host, port, prefix=escape_part(prefix) if prefix else None))
        except (OSError, ValueError) as error:
            log.warning("No figures go to statsd, STATSD_HOST or STATSD_PORT is wrong: %s", error)
            return cls()

    @property
    def enabled(self) -> bool:
        return self._client is not None

    def incr(self, key: str, count: int = 1) -> None:
        if self._client is not None:
            self._client.incr(key, count)

    def gauge(self, key: str, value: float) -> None:
        if self._client is not None:
            self._client.gauge(key, value)

    def timing(self, key: str, milliseconds: float) -> None:
        if self._client is not None:
            self._client.timing(key, milliseconds)

    def close(self) -> None:
        """Figures that come later go nowhere."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


@lru_cache(maxsize=KEPT_KEYS)
def escape_part(text: str) -> str:
    """`text` as one part of a key: `/`, `:` and their like become `_`, dots stay.

    Empty segments become `_` too, so that `..` never reaches a path of graphite's.
    """
    segments = _UNSAFE.sub("_", text[:MAX_PART_LENGTH]).split(".")
    return ".".join([segment or "_" for segment in segments])


@lru_cache(maxsize=KEPT_KEYS)
def escape_name(text: str) -> str:
    """`text` as one segment of a key: like `escape_part`, and dots become `_`."""
    return escape_part(text.replace(".", "_"))


@lru_cache(maxsize=KEPT_KEYS)
def escape_project(project: str) -> str:
    """A project as a key's parts: org/project becomes org.project."""
    return escape_part(project.replace("/", "."))
