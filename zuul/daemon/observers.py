"""Who watches the core: the log, and statsd.

The keys of statsd are a contract (doc/source/reference/statsd.rst): dashboards read them.
"""

from __future__ import annotations

import logging

from zuul.core.ports import Observer
from zuul.lib.stats import Stats, escape_name, escape_part, escape_project
from zuul.lib.watching import fan_out, hooks_of, say
from zuul.model.change import Changeish
from zuul.model.trigger import TriggerEvent

log = logging.getLogger("zuul.Scheduler")


class SilentObserver:
    """Sees everything, does nothing: the base of those who care for some of it."""

    def event_received(self, event: TriggerEvent) -> None:
        pass

    def item_enqueued(self, pipeline: str, item: str, change: Changeish, live: bool) -> None:
        pass

    def item_dequeued(
        self, pipeline: str, item: str, change: Changeish, live: bool, resident: float, reason: str
    ) -> None:
        pass

    def current_changes(self, pipeline: str, count: int) -> None:
        pass

    def enqueue_refused(self, pipeline: str, change: Changeish, reason: str) -> None:
        pass

    def item_reset(self, pipeline: str, item: str, change: Changeish, reason: str) -> None:
        pass

    def merge_completed(
        self, pipeline: str, item: str, change: Changeish, merged: bool, reason: str | None
    ) -> None:
        pass

    def build_launched(
        self, pipeline: str, item: str, change: Changeish, build: str, job: str
    ) -> None:
        pass

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
    ) -> None:
        pass

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
        pass

    def item_reported(
        self, pipeline: str, item: str, change: Changeish, action: str, reported: bool
    ) -> None:
        pass

    def window_changed(self, pipeline: str, queue: str, window: int) -> None:
        pass

    def pipeline_disabled(self, pipeline: str, failures: int) -> None:
        pass

    def alarm(self, pipeline: str, queue: str, text: str) -> None:
        pass

    def problem(self, where: str, text: str) -> None:
        pass

    def reconfigured(self, pipelines: tuple[str, ...]) -> None:
        pass


HOOKS = hooks_of(SilentObserver)


class Observers(SilentObserver):
    """Several observers as one; each is told in the order given."""

    def __init__(self, *observers: Observer) -> None:
        vars(self).update(fan_out(SilentObserver, observers))


class LogObserver(SilentObserver):
    """A line for every state change; `action` on the record is the hook's name."""

    def event_received(self, event: TriggerEvent) -> None:
        if log.isEnabledFor(logging.DEBUG):
            say(
                log,
                logging.DEBUG,
                "event_received",
                "Event received",
                change=event.change_key,
                connection=event.connection,
                type=event.type,
                project=event.project,
                branch=event.branch,
                ref=event.ref,
                newrev=event.newrev,
            )

    def item_enqueued(self, pipeline: str, item: str, change: Changeish, live: bool) -> None:
        about = _about(pipeline, change, item)
        say(log, logging.INFO, "item_enqueued", "Item enqueued", **about, live=live)

    def item_dequeued(
        self, pipeline: str, item: str, change: Changeish, live: bool, resident: float, reason: str
    ) -> None:
        about = _about(pipeline, change, item)
        about |= {"live": live, "seconds": round(resident, 1), "reason": reason}
        say(log, logging.INFO, "item_dequeued", "Item dequeued", **about)

    def enqueue_refused(self, pipeline: str, change: Changeish, reason: str) -> None:
        about = _about(pipeline, change)
        say(log, logging.INFO, "enqueue_refused", "Change not enqueued", **about, reason=reason)

    def item_reset(self, pipeline: str, item: str, change: Changeish, reason: str) -> None:
        about = _about(pipeline, change, item)
        say(log, logging.INFO, "item_reset", "Item starts again", **about, reason=reason)

    def merge_completed(
        self, pipeline: str, item: str, change: Changeish, merged: bool, reason: str | None
    ) -> None:
        about = _about(pipeline, change, item)
        sentence = "Merge done" if merged else "Merge failed"
        say(log, logging.INFO, "merge_completed", sentence, **about, reason=reason)

    def build_launched(
        self, pipeline: str, item: str, change: Changeish, build: str, job: str
    ) -> None:
        about = _about(pipeline, change, item)
        say(log, logging.INFO, "build_launched", "Build launched", **about, build=build, job=job)

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
    ) -> None:
        say(
            log,
            logging.INFO,
            "build_started",
            "Build started",
            **_about(pipeline, change, item),
            build=build,
            job=job,
            node=node_name,
            waited=round(wait, 1),
        )

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
        say(
            log,
            logging.INFO,
            "build_completed",
            "Build completed" if result is not None else "Build got lost",
            **_about(pipeline, change, item),
            build=build,
            job=job,
            result=result,
            seconds=None if duration is None else round(duration, 1),
        )

    def item_reported(
        self, pipeline: str, item: str, change: Changeish, action: str, reported: bool
    ) -> None:
        about = _about(pipeline, change, item)
        # Why not is said by the driver, at the level it deserves.
        level = logging.INFO if reported else logging.WARNING
        sentence = "Item reported" if reported else "Item not reported"
        say(log, level, "item_reported", sentence, **about, report=action)

    def window_changed(self, pipeline: str, queue: str, window: int) -> None:
        about = {"pipeline": pipeline, "queue": queue, "window": window}
        say(log, logging.INFO, "window_changed", "Window changed", **about)

    def pipeline_disabled(self, pipeline: str, failures: int) -> None:
        say(
            log,
            logging.WARNING,
            "pipeline_disabled",
            "Pipeline disabled after failures in a row",
            pipeline=pipeline,
            failures=failures,
        )

    def alarm(self, pipeline: str, queue: str, text: str) -> None:
        say(
            log,
            logging.CRITICAL,
            "alarm",
            "The queue has stopped, someone must look",
            pipeline=pipeline,
            queue=queue,
            reason=text,
        )

    def problem(self, where: str, text: str) -> None:
        say(log, logging.ERROR, "problem", "Something went wrong", where=where, reason=text)

    def reconfigured(self, pipelines: tuple[str, ...]) -> None:
        names = ",".join(pipelines)
        say(log, logging.INFO, "reconfigured", "Layout loaded", pipelines=names)


def _about(pipeline: str, change: Changeish, item: str | None = None) -> dict[str, object]:
    # A null item's key shows as "": then its project is what there is to say.
    shown = str(change.key) or None
    return {"pipeline": pipeline, "change": shown, "item": item, "project": change.project}


class StatsObserver(SilentObserver):
    """The figures of the contract; times are sent in milliseconds."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def event_received(self, event: TriggerEvent) -> None:
        self._stats.incr(f"gerrit.event.{escape_part(event.type)}")

    def current_changes(self, pipeline: str, count: int) -> None:
        self._stats.gauge(f"{_pipeline(pipeline)}.current_changes", count)

    def item_dequeued(
        self, pipeline: str, item: str, change: Changeish, live: bool, resident: float, reason: str
    ) -> None:
        prefix = _pipeline(pipeline)
        for key in (prefix, f"{prefix}.{escape_project(change.project)}"):
            self._stats.timing(f"{key}.resident_time", _milliseconds(resident))
            self._stats.incr(f"{key}.total_changes")

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
    ) -> None:
        prefix = _pipeline(pipeline)
        milliseconds = _milliseconds(wait)
        self._stats.timing(f"{prefix}.job.{escape_name(job)}.wait_time", milliseconds)
        for label in node_labels:
            if label != node_name:
                self._stats.timing(f"{prefix}.label.{escape_part(label)}.wait_time", milliseconds)

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
        prefix = _pipeline(pipeline)
        # Compat: a build that is tried again counts under the word None.
        key = f"{prefix}.job.{escape_name(job)}.{escape_part(str(result))}"
        self._stats.incr(f"{prefix}.all_jobs")
        if result in ("SUCCESS", "FAILURE") and duration is not None:
            self._stats.timing(key, _milliseconds(duration))
        self._stats.incr(key)


def _pipeline(name: str) -> str:
    return f"zuul.pipeline.{escape_part(name)}"


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))
