"""Report URLs: templates such as `{change.number}/{build.parameters[LOG_PATH]}`, expanded.

Only public attributes and keys of the views can be reached: a template is text from a file, and
must not walk from a value into the program (`{job.__class__...}`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from string import Formatter
from typing import Any

from zuul.core.views import PipelineView, view_build, view_change, view_job
from zuul.model.build import SUCCESS, Build
from zuul.model.change import Changeish
from zuul.model.job import Job

_FIELD = re.compile(r"(?P<name>[A-Za-z]\w*)(?P<steps>(?:\.[A-Za-z]\w*|\[[^\[\]]+\])*)")
#: of a format; a wider one would pad a link with a gigabyte
_WIDTH = re.compile(r"\d{4,}")
_STEP = re.compile(r"\.(?P<attribute>\w+)|\[(?P<key>[^\]]+)\]")


class TemplateError(ValueError):
    """The template cannot be expanded."""


class _ViewFormatter(Formatter):
    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        name, steps = _parse_field(field_name)
        if name not in kwargs:
            raise TemplateError(f"unknown name {name!r}")
        value = kwargs[name]
        for attribute, key in steps:
            value = _step(value, attribute, key)
        return value, name

    def format_field(self, value: Any, format_spec: str) -> str:
        if _WIDTH.search(format_spec):
            raise TemplateError(f"too wide: {format_spec!r}")
        formatted: str = super().format_field(value, format_spec)
        return formatted


@lru_cache(maxsize=4096)
def _parse_field(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise TemplateError(f"not a field: {text!r}")
    steps = tuple(
        (step["attribute"] or "", step["key"] or "") for step in _STEP.finditer(match["steps"])
    )
    return match["name"], steps


def _step(value: Any, attribute: str, key: str) -> Any:
    if attribute:
        if attribute.startswith("_") or not hasattr(type(value), "__dataclass_fields__"):
            raise TemplateError(f"no attribute {attribute!r}")
        if attribute not in value.__dataclass_fields__:
            raise TemplateError(f"no attribute {attribute!r}")
        return getattr(value, attribute)
    if isinstance(value, Mapping) and key in value:
        return value[key]
    if isinstance(value, tuple) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    raise TemplateError(f"no key {key!r}")


_FORMATTER = _ViewFormatter()


def expand(template: str, names: Mapping[str, Any]) -> str:
    """The template with its fields replaced; TemplateError if one of them cannot be."""
    try:
        return _FORMATTER.vformat(template, (), names)
    except TemplateError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise TemplateError(str(error)) from error


def report_url(
    job: Job, build: Build, change: Changeish, pipeline: str, url_pattern: str | None
) -> str:
    """Where a report links to: the templated URL, else the build's own, else the job's name."""
    template = url_pattern
    if build.result == SUCCESS and job.success_pattern:
        template = job.success_pattern
    elif build.result == "FAILURE" and job.failure_pattern:
        template = job.failure_pattern
    if template:
        names = {
            "change": view_change(change),
            "pipeline": PipelineView(pipeline),
            "job": view_job(job),
            "build": view_build(job, build, pipeline),
        }
        try:
            return expand(template, names)
        except TemplateError:
            pass
    return build.data.url or job.name
