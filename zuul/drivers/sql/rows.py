"""A report as rows. Pure.

What a database would refuse is made to fit: a row that is a little wrong is worth more than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zuul.core.commands import SendReport
from zuul.drivers.sql.tables import BUILD, BUILDSET, LENGTH
from zuul.lib.text import clean_text
from zuul.model.build import ReportedJob
from zuul.model.change import Change, Changeish, Ref

#: what the smallest TEXT of our databases keeps, MariaDB's
MAX_TEXT_BYTES = 65_535
_MAX_INTEGER = 2**31 - 1

Row = dict[str, Any]


def report_rows(request: SendReport, parameters: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """The row of the build set, and those of its builds without `buildset_id`."""
    change = request.change
    number = patchset = None
    if isinstance(change, Change):
        number, patchset = _integer(change.key.number), _integer(change.key.patchset)
    buildset = {
        BUILDSET.c.zuul_ref.name: request.zuul_ref,
        BUILDSET.c.pipeline.name: _fit(request.pipeline),
        BUILDSET.c.project.name: _fit(change.project),
        BUILDSET.c.change.name: number,
        BUILDSET.c.patchset.name: patchset,
        BUILDSET.c.ref.name: _fit(_ref(change)),
        BUILDSET.c.score.name: parameters.get("score", 0),
        BUILDSET.c.message.name: _fit_message(request.summary),
    }
    return buildset, [_build(job) for job in request.jobs]


def in_ascii(row: Row) -> Row:
    """For tables that know fewer characters, as MySQL's `latin1` and `utf8` of old."""
    return {
        name: _escape(value, LENGTH if name != "message" else MAX_TEXT_BYTES)
        for name, value in row.items()
    }


def _escape(value: Any, length: int) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode("ascii", "backslashreplace").decode()[:length]


def _build(job: ReportedJob) -> Row:
    return {
        BUILD.c.uuid.name: job.build,
        BUILD.c.job_name.name: _fit(job.name),
        BUILD.c.result.name: _fit(job.result),
        BUILD.c.start_time.name: _local_time(job.started_at),
        BUILD.c.end_time.name: _local_time(job.ended_at),
        BUILD.c.voting.name: job.voting,
        BUILD.c.log_url.name: _fit(job.url),
        BUILD.c.node_name.name: _fit(job.node_name),
    }


def _ref(change: Changeish) -> str | None:
    """Compat: of a change its refspec. Zuul 2 could not record refs and timers at all."""
    if isinstance(change, Change):
        return change.refspec
    return change.ref if isinstance(change, Ref) else None


def _integer(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdecimal() else None
    return number if number is not None and number <= _MAX_INTEGER else None


def _fit(text: str | None) -> str | None:
    return None if text is None else clean_text(text)[:LENGTH]


def _fit_message(text: str) -> str:
    return clean_text(text).encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _local_time(epoch_seconds: float | None) -> datetime | None:
    # Whole seconds, as most databases would cut or round them, each its own way.
    return None if epoch_seconds is None else datetime.fromtimestamp(int(epoch_seconds))
