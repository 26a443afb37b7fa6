"""Report text, exactly as contract zuul.md 8.3 has it."""

from __future__ import annotations

from dataclasses import dataclass

from zuul.core.urls import report_url
from zuul.model.build import SUCCESS, Build
from zuul.model.job import Job
from zuul.model.layout import ActionKind, PipelineConfig
from zuul.model.queue import QueueItem

DEQUEUED = "This change depends on a change that failed to merge."


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What zuul.conf says of reports."""

    #: added to start reports
    status_url: str | None = None
    #: show how long each job took
    report_times: bool = True
    url_pattern: str | None = None
    job_name_in_report: bool = False


def format_report(
    kind: ActionKind, item: QueueItem, config: PipelineConfig, options: ReportOptions
) -> str:
    """The text of a report on the item as it stands."""
    if kind is ActionKind.START:
        text = f"Starting {config.name} jobs."
        if options.status_url:
            text += f"\n{options.status_url}"
    elif kind is ActionKind.MERGE_FAILURE:
        text = config.merge_failure_message
    elif _has_succeeded(item):
        text = f"{config.success_message}\n\n{job_lines(item, options)}"
    else:
        text = _format_failure(item, config, options)
    if config.footer_message:
        text += f"\n{config.footer_message}"
    return text


def _has_succeeded(item: QueueItem) -> bool:
    """An item that we gave up on has not, whatever its jobs say."""
    if item.failure_text or item.unmet_need or item.build_set.unable_to_merge:
        return False
    return item.plan.has_succeeded(item.build_set.builds)


def _format_failure(item: QueueItem, config: PipelineConfig, options: ReportOptions) -> str:
    if item.unmet_need is not None:
        return f"{DEQUEUED} ({item.unmet_need[:1].upper()}{item.unmet_need[1:]}.)\n"
    if item.build_set.unable_to_merge:
        return config.merge_failure_message
    message = item.failure_text or config.failure_message
    return f"{message}\n\n{job_lines(item, options)}"


def job_lines(item: QueueItem, options: ReportOptions) -> str:
    """One line a job, each ended by a newline."""
    builds = item.build_set.builds
    return "".join(
        _job_line(job, builds[job.name], item, options)
        for job in item.plan.jobs
        if job.name in builds
    )


def _job_line(job: Job, build: Build, item: QueueItem, options: ReportOptions) -> str:
    name = f"{job.name} " if options.job_name_in_report else ""
    url = report_url(job, build, item.change, item.pipeline, options.url_pattern)
    voting = "" if job.voting else " (non-voting)"
    return f"- {name}{url} : {result_word(job, build)}{_duration(build, options)}{voting}\n"


def result_word(job: Job, build: Build) -> str:
    """The result, or what the job's definition says instead."""
    if build.result == SUCCESS and job.success_message:
        return job.success_message
    if build.result == "FAILURE" and job.failure_message:
        return job.failure_message
    return build.result or "None"


def _duration(build: Build, options: ReportOptions) -> str:
    if not options.report_times or build.started_at is None or build.ended_at is None:
        return ""
    return f" in {format_seconds(build.ended_at - build.started_at)}"


def format_seconds(seconds: float) -> str:
    """`1h 02m 03s`, `2m 03s`, `3s`; whole seconds."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m {rest:02}s"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
