"""layout.yaml -> Layout. What to ask a layout then stands in `zuul.layout.questions`.

All problems of a file are told at once; a Layout comes out only if there are none, so that a bad
file never replaces a good layout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from zuul.errors import LayoutError
from zuul.layout.builder import build_layout
from zuul.layout.context import Context
from zuul.layout.origins import Origins
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.yaml_document import Document
from zuul.model.layout import Layout

log = logging.getLogger("zuul.Layout")


class Checked(NamedTuple):
    """What came of a file."""

    #: None if there are problems
    layout: Layout | None
    problems: tuple[Problem, ...] = ()
    #: what loads, and is perhaps not meant so
    warnings: tuple[Problem, ...] = ()


class Traced(NamedTuple):
    """The same, and where rules were written: None if there are problems."""

    checked: Checked
    origins: Origins | None


def read_layout(path: Path, connections: Mapping[str, str] | None = None) -> Layout:
    """The layout of a file; warnings are logged. Raises LayoutError with all problems.

    `connections`: driver (gerrit, smtp, sql) by name; None accepts any name.
    """
    return _usable(check_layout(path, connections))


def parse_layout(
    text: str,
    name: str,
    *,
    base: Path | None = None,
    connections: Mapping[str, str] | None = None,
) -> Layout:
    """As read_layout, of a text that problems call `name`; `base` is where includes are sought."""
    return _usable(check_text(text, name, base=base, connections=connections))


def check_layout(
    path: Path,
    connections: Mapping[str, str] | None = None,
    known_jobs: Iterable[str] | None = None,
) -> Checked:
    """All that can be said of a file; never raises for what stands in it.

    `known_jobs`: the jobs that workers offer; a job of the layout that is not among them is a
    problem. None: not checked.
    """
    return trace_layout(path, connections, known_jobs).checked


def check_text(
    text: str,
    name: str,
    *,
    base: Path | None = None,
    connections: Mapping[str, str] | None = None,
    known_jobs: Iterable[str] | None = None,
) -> Checked:
    """As check_layout, of a text that problems call `name`."""
    return trace_text(text, name, base=base, connections=connections, known_jobs=known_jobs).checked


def trace_layout(
    path: Path,
    connections: Mapping[str, str] | None = None,
    known_jobs: Iterable[str] | None = None,
) -> Traced:
    """As check_layout, for those who ask the layout why (`zuul.layout.questions`)."""
    path = path.expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = Problem(str(path), 0, "", f"cannot be read: {error.strerror}")
        return Traced(Checked(None, (problem,)), None)
    except UnicodeDecodeError as error:
        problem = Problem(str(path), 0, "", f"is not UTF-8 at byte {error.start}")
        return Traced(Checked(None, (problem,)), None)
    return trace_text(
        text,
        str(path),
        base=path.resolve().parent,
        connections=connections,
        known_jobs=known_jobs,
    )


def trace_text(
    text: str,
    name: str,
    *,
    base: Path | None = None,
    connections: Mapping[str, str] | None = None,
    known_jobs: Iterable[str] | None = None,
) -> Traced:
    """As trace_layout, of a text that problems call `name`."""
    try:
        document = Document(text, name)
    except ConfigError as error:
        return Traced(Checked(None, error.problems), None)
    layout, origins = build_layout(Context(document, connections, base), known_jobs)
    warnings = tuple(document.warnings())
    if document.sound:
        return Traced(Checked(layout, (), warnings), origins)
    return Traced(Checked(None, tuple(document.problems()), warnings), None)


def _usable(checked: Checked) -> Layout:
    if checked.layout is None:
        raise LayoutError(checked.problems)
    for warning in checked.warnings:
        log.warning("Layout may not mean what it says: %s", warning)
    return checked.layout
