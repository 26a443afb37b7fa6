"""ConfigWatch: nodepool.yaml and its kin, read again when one of them changes.

A file that cannot be used is logged with all that is wrong with it, once, and changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from nodepool.config import CloudFiles, NodepoolConfig, read_config
from nodepool.config.difference import Changed, compare
from zuul.lib import logs
from zuul.lib.logs import fields
from zuul.lib.problems import ConfigError
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.NodePool")

POLL_SECONDS: Final = 2.0

#: of a file: inode, size, time of the last change in nanoseconds; None: it cannot be looked at
Print = tuple[int, int, int] | None


class ConfigFiles:
    """Where the configuration stands."""

    def __init__(self, path: Path, secure: Path | None, clouds: CloudFiles) -> None:
        self._path = path
        self._secure = secure
        self._clouds = clouds

    def read(self) -> NodepoolConfig:
        """Raises ConfigError with all problems."""
        config = read_config(self._path, self._secure, self._clouds)
        logs.hide(config.secrets())
        return config

    def prints(self) -> tuple[Print, ...]:
        """Differ once a file does."""
        return tuple(_print(path) for path in self._paths())

    def _paths(self) -> Iterable[Path]:
        yield self._path
        if self._secure is not None:
            yield self._secure
        yield from self._clouds.paths


def _differing(old: NodepoolConfig, new: NodepoolConfig) -> dict[str, str]:
    """Names of what came, went or changed, by kind."""
    found = {}
    difference = compare(old, new)
    for name in (
        *("clouds", "targets", "publishers", "histories"),
        *("providers", "labels", "diskimages"),
    ):
        changed: Changed = getattr(difference, name)
        if changed:
            names = changed.added | changed.removed | changed.changed
            found[name] = ",".join(sorted(names))
    if difference.crons:
        found["crons"] = ",".join(sorted(difference.crons))
    for name in ("gearman", "database"):
        if getattr(difference, name):
            found[name] = "changed"
    return found


def _print(path: Path) -> Print:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class ConfigWatch:
    """`reload` from any thread; `apply` is called on the watch's thread."""

    def __init__(
        self,
        files: ConfigFiles,
        config: NodepoolConfig,
        apply: Callable[[NodepoolConfig], None],
        *,
        every: float = POLL_SECONDS,
    ) -> None:
        """`config`: what was read last."""
        self._files = files
        self._config = config
        self._apply = apply
        self._every = every
        self._seen = files.prints()
        self._asked = threading.Event()
        self._loop = Loop("config", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._asked.set()
        self._loop.stop()

    def reload(self) -> None:
        """Read the files even if they look the same."""
        self._seen = ()
        self._asked.set()

    def _turn(self, stopping: threading.Event) -> None:
        self._asked.wait(self._every)
        self._asked.clear()
        if not stopping.is_set():
            self.look()

    def look(self) -> None:
        seen = self._files.prints()
        if seen == self._seen:
            return
        # Looked at before it is read: what changes in between is seen the next time.
        self._seen = seen
        try:
            config = self._files.read()
        except ConfigError as error:
            log.error("Configuration not read again, the old one stays: %s", error)
            return
        for warning in config.warnings:
            log.warning("%s", warning)
        if config == self._config:
            log.info("Configuration is the same")
            return
        log.info("Configuration read again %s", fields(**_differing(self._config, config)))
        self._config = config
        self._apply(config)
