"""What a build is told of the places it may upload to: SWIFT_ parameters (contract zuul.md 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zuul.core.parameters import Parameters
from zuul.core.state import State
from zuul.core.urls import TemplateError, expand
from zuul.core.views import view_change, view_item, view_job
from zuul.model.job import Job
from zuul.model.queue import QueueItem


def add_uploads(state: State, item: QueueItem, job: Job, parameters: Parameters) -> None:
    """After the parameter function, which may have moved LOG_PATH."""
    names = {
        "item": view_item(item),
        "job": view_job(job),
        "change": view_change(item.change),
    }
    for destination in job.swift:
        try:
            wanted = _expand(destination, names)
        except TemplateError as error:
            state.observer.problem(job.name, f"swift {destination['name']}: {error}")
            continue
        log_path = parameters.get("LOG_PATH") or ""
        parameters.update(state.uploads.sign(wanted, log_path, state.now))


def _expand(destination: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of Upload's fields. Compat: both spellings, `max-file-size` first."""
    wanted: dict[str, Any] = {}
    for key in sorted(destination, reverse=True):  # "-" sorts before "_", so it comes last
        value = destination[key]
        wanted[key.replace("-", "_")] = expand(value, names) if isinstance(value, str) else value
    return wanted
