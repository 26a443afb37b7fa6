"""The parameters of a build (contract zuul.md 4) and the Gearman function that runs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from zuul.core.views import view_item, view_job
from zuul.model.change import Change, Changeish, Ref
from zuul.model.job import Job
from zuul.model.queue import QueueItem

Parameters = dict[str, str | None]


class ParameterFunctionFailed(Exception):
    """The layout's parameter function raised."""


def build_parameters(
    item: QueueItem, job: Job, uuid: str, report: Callable[[str], None]
) -> Parameters:
    """All parameters, the parameter function applied.

    `report` is told of values that are no strings; ParameterFunctionFailed if the function raises.
    """
    build_set = item.build_set
    parameters: Parameters = {
        "ZUUL_UUID": uuid,
        "ZUUL_PROJECT": item.change.project,
        "ZUUL_PIPELINE": item.pipeline,
        "ZUUL_URL": build_set.zuul_url,
        "ZUUL_VOTING": "1" if job.voting else "0",
    }
    base = _base_log_path(item.change)
    parameters["BASE_LOG_PATH"] = base
    log_path = f"{item.pipeline}/{job.name}/{uuid[:7]}"
    parameters["LOG_PATH"] = f"{base}/{log_path}" if base else log_path
    _add_change(parameters, item)
    if job.parameter_function is not None:
        _apply(job, item, parameters)
        parameters = _as_strings(parameters, report)
    return parameters


def function_name(job: Job, parameters: Mapping[str, str | None]) -> str:
    """`build:JOB`, or `build:JOB:NODE` where a parameter function chose a kind of node."""
    node = parameters.get("ZUUL_NODE")
    return f"build:{job.name}:{node}" if node else f"build:{job.name}"


def _base_log_path(change: Changeish) -> str:
    if isinstance(change, Change):
        number = change.key.number
        return f"{number[-2:]}/{number}/{change.key.patchset}"
    if isinstance(change, Ref):
        return f"{change.newrev[:2]}/{change.newrev}"
    return ""


def _add_change(parameters: Parameters, item: QueueItem) -> None:
    change, build_set = item.change, item.build_set
    if isinstance(change, Change):
        parameters["ZUUL_BRANCH"] = change.branch
        parameters["ZUUL_CHANGE"] = change.key.number
        parameters["ZUUL_PATCHSET"] = change.key.patchset
        parameters["ZUUL_CHANGES"] = build_set.changes
        parameters["ZUUL_CHANGE_IDS"] = build_set.change_ids
        parameters["ZUUL_REF"] = f"refs/zuul/{change.branch}/{build_set.zuul_ref}"
        parameters["ZUUL_COMMIT"] = build_set.commit
    elif isinstance(change, Ref):
        parameters["ZUUL_REFNAME"] = change.ref
        parameters["ZUUL_OLDREV"] = change.oldrev
        parameters["ZUUL_NEWREV"] = change.newrev
        parameters["ZUUL_REF"] = change.ref
        parameters["ZUUL_COMMIT"] = change.newrev


def _apply(job: Job, item: QueueItem, parameters: Parameters) -> None:
    function = job.parameter_function
    assert function is not None
    try:
        if _takes_two(function):
            function(view_item(item), parameters)
        else:
            function(view_item(item), view_job(job), parameters)
    # a site's own code: whatever it raises fails this build and nothing else
    except Exception as error:
        text = f"{job.parameter_function_name or job.name}: {type(error).__name__}: {error}"
        raise ParameterFunctionFailed(text) from error


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) == 2


def _as_strings(parameters: Mapping[Any, Any], report: Callable[[str], None]) -> Parameters:
    """What goes on the wire: text, or null."""
    strings: Parameters = {}
    for name, value in parameters.items():
        if not isinstance(name, str) or not (value is None or isinstance(value, str)):
            kind = type(value).__name__
            report(f"parameter {name!r} is no text but {kind}; sent as text")
        strings[str(name)] = value if value is None else str(value)
    return strings
