"""JenkinsReader: looking at a master, one request for all computers, one for all jobs, one for the
queue; and what only config.xml knows, kept and looked at again a few at a time.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gearman_plugin_shim.jenkins_rows import (
    ALL_NODES_PATH,
    BUILD_TREE,
    BUILDS_TREE,
    NODES_TREE,
    QUEUE_TREE,
    ComputerRow,
    JobConfig,
    JobRow,
    NodeRow,
    computers_tree,
    jobs_tree,
    parse_build,
    parse_builds,
    parse_computers,
    parse_item,
    parse_items,
    parse_job_config,
    parse_jobs,
    parse_nodes,
)
from gearman_plugin_shim.model import BuildInfo, Computer, Job, QueueItem
from zuul.lib.jenkins.errors import JenkinsNotFound, JenkinsRefused, JenkinsUnavailable
from zuul.lib.jenkins.paths import build_path, job_path
from zuul.lib.jenkins.session import JenkinsSession
from zuul.lib.logs import fields

log = logging.getLogger("zuul.ShimJenkins")

#: config.xml files never seen that one look fetches
_NEW_A_LOOK: Final = 200
#: config.xml files seen before that one look fetches again
_AGAIN_A_LOOK: Final = 10
#: how old the modes of nodes may be, and how often they are asked for at most
_NODES_SECONDS: Final = 5.0
_NODES_LEAST_SECONDS: Final = 0.9
#: newest builds of a job among which one is looked for
_NEWEST: Final = "{0,50}"

_Config = TypeVar("_Config")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a UUID is on a master."""

    item: QueueItem | None = None
    #: oldest first
    builds: tuple[BuildInfo, ...] = ()
    #: the queue item was cancelled
    cancelled: bool = False


class ConfigCache(Generic[_Config]):
    """What config.xml files say, by name: new ones at once, known ones again in turn."""

    def __init__(self, fetch: Callable[[str], _Config | None]) -> None:
        self._fetch = fetch
        self._known: OrderedDict[str, _Config | None] = OrderedDict()

    def look(self, names: Iterable[str]) -> Mapping[str, _Config | None]:
        """What is known of `names` after this look; a name that is left out comes next time."""
        wanted = dict.fromkeys(names)
        for gone in [name for name in self._known if name not in wanted]:
            del self._known[gone]
        again = list(self._known)[:_AGAIN_A_LOOK]
        new = [name for name in wanted if name not in self._known][:_NEW_A_LOOK]
        for name in (*new, *again):
            self._known[name] = self._fetch(name)
            self._known.move_to_end(name)
        return self._known


class JenkinsReader:
    """Looks at one master; for one thread. Every method may raise JenkinsError."""

    def __init__(self, session: JenkinsSession) -> None:
        self._session = session
        self._jobs = ConfigCache(self._fetch_job_config)
        self._nodes: dict[str, NodeRow] = {}
        self._nodes_at = float("-inf")
        self._refused: set[str] = set()
        self._knows_ranges = True

    def fetch_computers(self, *, detailed: bool) -> tuple[Computer, ...]:
        """Every computer with what runs on it."""
        tree = {"tree": computers_tree(detailed=detailed)}
        found = self._session.get_json("computer/api/json", tree)
        rows = parse_computers(found, detailed=detailed)
        self._look_at_nodes({row.name for row in rows})
        return tuple(self._completed(row) for row in rows)

    def _look_at_nodes(self, names: set[str]) -> None:
        """Modes, and with old masters labels, stand elsewhere: one request for all nodes."""
        age = time.monotonic() - self._nodes_at
        if age < _NODES_SECONDS and names <= self._nodes.keys():
            return
        if age < _NODES_LEAST_SECONDS:
            return
        try:
            found = self._session.get_json(ALL_NODES_PATH, {"tree": NODES_TREE})
        except (JenkinsNotFound, JenkinsRefused) as error:
            if not self._nodes:
                log.warning("Modes of nodes are not told %s", fields(reason=error))
            found = {}
        self._nodes = parse_nodes(found)
        self._nodes_at = time.monotonic()

    def _completed(self, row: ComputerRow) -> Computer:
        node = self._nodes.get(row.name)
        told = row.labels if row.labels is not None else node.labels if node else frozenset()
        return Computer(
            name=row.name,
            url_name=row.url_name,
            labels=told | {row.name or row.url_name.strip("()")},
            executors=row.executors,
            exclusive=node is not None and node.mode == "EXCLUSIVE",
            offline=row.offline,
            temporarily_offline=row.temporarily_offline,
            busy=row.busy,
            description=row.description,
        )

    def fetch_jobs(self) -> tuple[tuple[Job, ...], bool]:
        """Every job, in folders too; and whether the master takes no new builds."""
        found = self._session.get_json("api/json", {"tree": jobs_tree()})
        rows = parse_jobs(found)
        configs = self._jobs.look(row.full_name for row in rows if row.label is None)
        # One whose labels are not known yet might run anywhere: it is not told of.
        known = [row for row in rows if row.label is not None or configs.get(row.full_name)]
        jobs = tuple(_job(row, configs.get(row.full_name)) for row in known)
        return jobs, found.get("quietingDown") is True

    def find_index(self, uuid: str) -> int | None:
        """The place in the queue of a UUID's item; None if it is not there."""
        uuids = [item.uuid for item in self.fetch_queue()]
        return uuids.index(uuid) if uuid in uuids else None

    def fetch_queue(self) -> tuple[QueueItem, ...]:
        return parse_items(self._session.get_json("queue/api/json", {"tree": QUEUE_TREE}))

    def fetch_build(self, job: str, number: int) -> BuildInfo | None:
        """One build. Raises JenkinsNotFound if there is none (any more)."""
        path = f"{build_path(job, number)}api/json"
        return parse_build(self._session.get_json(path, {"tree": BUILD_TREE}))

    def find(self, job: str, uuid: str, queue_id: int | None) -> Found:
        """Where a UUID is: at the item it is known by, in the queue, among the newest builds."""
        cancelled = False
        if queue_id:
            item, cancelled = self._fetch_item(queue_id)
            if item is not None and item.uuid == uuid:
                return Found(item)
        waiting = next((item for item in self.fetch_queue() if item.uuid == uuid), None)
        if waiting is not None:
            return Found(waiting)
        # Looked at after the queue: an item leaves it for a build and never the other way.
        builds = tuple(self._find_builds(job, uuid))
        return Found(None, builds, cancelled and not builds)

    def _fetch_item(self, queue_id: int) -> tuple[QueueItem | None, bool]:
        """The item if it waits; else whether it was cancelled."""
        path = f"queue/item/{queue_id}/api/json"
        try:
            found = self._session.get_json(path)
        except JenkinsNotFound:
            return None, False
        if found.get("cancelled") is True:
            return None, True
        return (None if "executable" in found else parse_item(found)), False

    def _find_builds(self, job: str, uuid: str) -> list[BuildInfo]:
        path = f"{job_path(job)}api/json"
        try:
            found = self._fetch_newest(path)
        except JenkinsNotFound:
            return []
        return [build for build in reversed(parse_builds(found)) if build.uuid == uuid]

    def _fetch_newest(self, path: str) -> Mapping[str, object]:
        """Ranges came with 1.568; before, the newest hundred are told in any case."""
        if self._knows_ranges:
            try:
                found = self._session.get_json(path, {"tree": BUILDS_TREE + _NEWEST})
            except (JenkinsUnavailable, JenkinsRefused):
                found = {}
            if "builds" in found:
                return found
        found = self._session.get_json(path, {"tree": BUILDS_TREE})
        self._knows_ranges = False
        return found

    # config.xml

    def _fetch_job_config(self, job: str) -> JobConfig | None:
        text = self._fetch(f"{job_path(job)}config.xml")
        return parse_job_config(text) if text is not None else None

    def _fetch(self, path: str) -> bytes | None:
        try:
            text = self._session.get(path).body
        except JenkinsNotFound:
            return None
        except JenkinsRefused as error:
            if path not in self._refused:
                self._refused.add(path)
                log.warning("A config.xml may not be read %s", fields(reason=error))
            return None
        self._refused.discard(path)
        return text


def _job(row: JobRow, config: JobConfig | None) -> Job:
    label, buildable, concurrent = row.label, row.buildable, row.concurrent
    if config is not None:
        label = config.label if label is None else label
        buildable = buildable and not config.disabled
        concurrent = config.concurrent if concurrent is None else concurrent
    return Job(
        full_name=row.full_name,
        label_expression=label or None,
        buildable=buildable,
        concurrent=concurrent is not False,
        parameters=row.parameters,
        last_build=row.last_build,
    )
