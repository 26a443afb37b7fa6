"""What the core is given from outside: ids, build times, and somebody who watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from zuul.model.change import Changeish
from zuul.model.trigger import TriggerEvent


class IdSource(Protocol):
    """Makes ids, so that a simulation can make them by seed."""

    def new_id(self) -> str:
        """32 lower-case hex digits, never given before."""
        ...


class BuildTimes(Protocol):
    """How long jobs took; in memory, the daemon writes them to state_dir/times."""

    def estimate_seconds(self, job: str) -> float | None:
        """Mean of the stored durations of successes; None if there are none."""
        ...

    def record(self, job: str, seconds: float, result: str) -> None: ...


class Uploads(Protocol):
    """Signs places that builds may upload to."""

    def sign(self, wanted: Mapping[str, Any], log_path: str, now: float) -> Mapping[str, str]:
        """SWIFT_ parameters of one place, `wanted` being fields of Upload; empty if there are none
        to be had now."""
        ...


class NoUploads:
    """There is no [swift]."""

    def sign(self, wanted: Mapping[str, Any], log_path: str, now: float) -> Mapping[str, str]:
        return {}


class Observer(Protocol):
    """Sees what happens, decides nothing: the log and statsd stand behind it.

    Times are epoch seconds, durations seconds; `item` and `build` are ids.
    """

    def event_received(self, event: TriggerEvent) -> None: ...

    def item_enqueued(self, pipeline: str, item: str, change: Changeish, live: bool) -> None: ...

    def item_dequeued(
        self, pipeline: str, item: str, change: Changeish, live: bool, resident: float, reason: str
    ) -> None:
        """`reason`: why it left, in words."""
        ...

    def current_changes(self, pipeline: str, count: int) -> None:
        """All items of the pipeline, after it changed and after each (re)load."""
        ...

    def enqueue_refused(self, pipeline: str, change: Changeish, reason: str) -> None: ...

    def item_reset(self, pipeline: str, item: str, change: Changeish, reason: str) -> None: ...

    def merge_completed(
        self, pipeline: str, item: str, change: Changeish, merged: bool, reason: str | None
    ) -> None: ...

    def build_launched(
        self, pipeline: str, item: str, change: Changeish, build: str, job: str
    ) -> None: ...

    def build_started(
        self,
        pipeline: str,
        item: str,
        change: Changeish,
        build: str,
        job: str,
        *,
        wait: float,
        node_labels: tuple[str, ...],
        node_name: str | None,
    ) -> None: ...

    def build_completed(
        self,
        pipeline: str,
        item: str,
        change: Changeish,
        build: str,
        job: str,
        *,
        result: str | None,
        duration: float | None,
    ) -> None:
        """`result` None: it got lost and is tried again; `duration` None: it never started."""
        ...

    def item_reported(
        self, pipeline: str, item: str, change: Changeish, action: str, reported: bool
    ) -> None: ...

    def window_changed(self, pipeline: str, queue: str, window: int) -> None: ...

    def pipeline_disabled(self, pipeline: str, failures: int) -> None: ...

    def alarm(self, pipeline: str, queue: str, text: str) -> None:
        """Someone must look: the queue has stopped."""
        ...

    def problem(self, where: str, text: str) -> None:
        """Something unexpected that was survived, e.g. a parameter function that raised."""
        ...

    def reconfigured(self, pipelines: tuple[str, ...]) -> None: ...
