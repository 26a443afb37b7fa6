"""Report text, exactly as contract zuul.md 8.3 has it."""

from __future__ import annotations

from dataclasses import dataclass

from zuul.core.urls import report_url
from zuul.model.build import SUCCESS, Build, ReportedJob
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


@dataclass(frozen=True, slots=True)
class ReportText:
    """A report in the forms that reporters want."""

    #: the whole text
    message: str
    #: the text without job lines
    summary: str
    #: what the job lines tell
    jobs: tuple[ReportedJob, ...]


def format_report(
    kind: ActionKind, item: QueueItem, config: PipelineConfig, options: ReportOptions
) -> ReportText:
    """The text of a report on the item as it stands."""
    jobs = reported_jobs(item, options)
    lines = ""
    if kind is ActionKind.START:
        text = f"Starting {config.name} jobs."
        if options.status_url:
            text += f"\n{options.status_url}"
    elif kind is ActionKind.MERGE_FAILURE:
        text = config.merge_failure_message
    elif item.unmet_need is not None:
        text = f"{DEQUEUED} ({item.unmet_need[:1].upper()}{item.unmet_need[1:]}.)\n"
    elif item.build_set.unable_to_merge:
        text = config.merge_failure_message
    else:
        text = _verdict(item, config)
        lines = "\n\n" + "".join(_job_line(job, options) for job in jobs)
    footer = f"\n{config.footer_message}" if config.footer_message else ""
    return ReportText(text + lines + footer, text + footer, jobs)


def _verdict(item: QueueItem, config: PipelineConfig) -> str:
    """An item that we gave up on has not succeeded, whatever its jobs say."""
    if item.failure_text:
        return item.failure_text
    succeeded = item.plan.has_succeeded(item.build_set.builds)
    return config.success_message if succeeded else config.failure_message


def reported_jobs(item: QueueItem, options: ReportOptions) -> tuple[ReportedJob, ...]:
    """The jobs that have a build, in the layout's order, as reports show them."""
    builds = item.build_set.builds
    return tuple(
        _reported_job(job, builds[job.name], item, options)
        for job in item.plan.jobs
        if job.name in builds
    )


def _reported_job(job: Job, build: Build, item: QueueItem, options: ReportOptions) -> ReportedJob:
    return ReportedJob(
        name=job.name,
        build=build.id,
        result=result_word(job, build),
        url=report_url(job, build, item.change, item.pipeline, options.url_pattern),
        voting=job.voting,
        started_at=build.started_at,
        ended_at=build.ended_at,
        node_name=build.data.node_name,
    )


def _job_line(job: ReportedJob, options: ReportOptions) -> str:
    name = f"{job.name} " if options.job_name_in_report else ""
    voting = "" if job.voting else " (non-voting)"
    return f"- {name}{job.url} : {job.result}{_duration(job, options)}{voting}\n"


def result_word(job: Job, build: Build) -> str:
    """The result, or what the job's definition says instead."""
    if build.result == SUCCESS and job.success_message:
        return job.success_message
    if build.result == "FAILURE" and job.failure_message:
        return job.failure_message
    return build.result or "None"


def _duration(job: ReportedJob, options: ReportOptions) -> str:
    if not options.report_times or job.started_at is None or job.ended_at is None:
        return ""
    return f" in {format_seconds(job.ended_at - job.started_at)}"


def format_seconds(seconds: float) -> str:
    """`1h 02m 03s`, `2m 03s`, `3s`; whole seconds."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m {rest:02}s"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
