"""Entries of `jobs`, and how those of regular expressions merge into jobs: contract 2.6, 2.7."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.layout.functions import Functions
from zuul.layout.metajobs import match_names
from zuul.layout.trees import problem_of_name
from zuul.lib.patterns import Pattern
from zuul.lib.yaml_fields import Fields
from zuul.model.job import Job, SkipIf

#: replaced by each later entry that states them
_REPLACED = (
    "success_message",
    "failure_message",
    "success_pattern",
    "failure_pattern",
    "parameter_function",
    "parameter_function_name",
    "branches",
    "files",
    "skip_if",
    "mutex",
)
#: Compat: an entry of a regular expression hands all on but these
_OWN = ("queue_name", "attempts")
_SWIFT_TEXTS = ("container", "logserver-prefix", "logserver_prefix")
_SWIFT_NUMBERS = (
    "expiry",
    "max-file-size",
    "max_file_size",
    "max-file-count",
    "max_file_count",
)


@dataclass(slots=True)
class JobEntry:
    """One entry as written: `stated` has only what it says, by the name of Job's field."""

    name: str
    node: Node
    #: of an entry whose name is a regular expression
    pattern: Pattern | None
    stated: dict[str, Any] = field(default_factory=dict)


def read_jobs(context: Context, functions: Functions, nodes: list[Node]) -> list[JobEntry]:
    entries: dict[str, JobEntry] = {}
    for node in nodes:
        fields = Fields(context.document, node, "a job, which is a map")
        name = fields.require_text("name")
        pattern = None
        if name.startswith("^"):
            pattern = context.compile(name, node)
        elif name and (problem := problem_of_name(name)):
            context.document.complain(node, problem, "name")
        stated = _read_stated(context, functions, fields, is_meta=name.startswith("^"))
        fields.finish()
        if name in entries:
            context.document.complain(node, f"another job is named {name!r}", "name")
        elif name and (pattern is not None or not name.startswith("^")):
            entries[name] = JobEntry(name, node, pattern, stated)
    return list(entries.values())


def _read_stated(
    context: Context, functions: Functions, fields: Fields, *, is_meta: bool
) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "voting": fields.flag("voting", None),
        "hold_following_changes": fields.flag("hold-following-changes", None),
        "attempts": fields.integer("attempts", None, least=1),
        "queue_name": fields.text("queue-name", None),
        "success_message": fields.text("success-message", None),
        "failure_message": fields.text("failure-message", None),
        "success_pattern": fields.text("success-pattern", None),
        "failure_pattern": fields.text("failure-pattern", None),
        "mutex": fields.text("mutex", None),
        "tags": frozenset(fields.texts("tags")),
        "branches": context.patterns(fields, "branch"),
        "files": context.patterns(fields, "files"),
        "skip_if": tuple(_read_skip_if(context, each) for each in fields.maps("skip-if")),
        "swift": tuple(_read_swift(each) for each in fields.maps("swift")),
    }
    node = fields.take("parameter-function")
    name = fields.text("parameter-function", None)
    if node is not None and name is not None:
        stated["parameter_function"] = functions.find(name, node)
        stated["parameter_function_name"] = name
    if is_meta:
        for key in ("queue-name", "attempts"):
            if key in fields:
                context.document.warn(
                    fields.node, "has no effect in an entry of a regular expression", key
                )
    return {key: value for key, value in stated.items() if value or value is False}


def _read_skip_if(context: Context, fields: Fields) -> SkipIf:
    rule = SkipIf(
        project=context.one_pattern(fields, "project"),
        branch=context.one_pattern(fields, "branch"),
        all_files_match_any=context.patterns(fields, "all-files-match-any"),
    )
    if rule == SkipIf() and context.document.sound:
        context.document.warn(fields.node, "skips every change: it has no condition")
    fields.finish()
    return rule


def _read_swift(fields: Fields) -> dict[str, Any]:
    destination: dict[str, Any] = {"name": fields.require_text("name")}
    for key in _SWIFT_TEXTS:
        if key in fields:
            destination[key] = fields.text(key, "")
    for key in _SWIFT_NUMBERS:
        if key in fields:
            destination[key] = fields.integer(key, 0, most=2**63 - 1)
    fields.finish()
    return destination


def build_jobs(entries: Iterable[JobEntry], mentioned: Iterable[str]) -> dict[str, Job]:
    """Every job that an entry or a tree names, with what the regular expressions give it.

    An entry takes only from the expressions above it; a job named in trees alone, from all.
    """
    metas: list[JobEntry] = []
    explicit: dict[str, tuple[int, JobEntry]] = {}
    for entry in entries:
        if entry.pattern is not None:
            metas.append(entry)
        else:
            explicit[entry.name] = (len(metas), entry)
    names = list(dict.fromkeys((*explicit, *mentioned)))
    matched = match_names([meta.pattern for meta in metas if meta.pattern], names)
    merged: dict[tuple[int, ...], dict[str, Any]] = {}
    jobs: dict[str, Job] = {}
    for name in names:
        above, own = explicit.get(name, (len(metas), None))
        given = tuple(index for index in matched.get(name, ()) if index < above)
        if given not in merged:
            merged[given] = _merge(metas[index] for index in given)
        attributes = merged[given]
        if own is not None:
            attributes = dict(attributes)
            _overlay(attributes, own.stated)
            attributes.update((key, own.stated[key]) for key in _OWN if key in own.stated)
        jobs[name] = Job(name, **attributes)
    return jobs


def _merge(entries: Iterable[JobEntry]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for entry in entries:
        _overlay(attributes, entry.stated)
    return attributes


def _overlay(attributes: dict[str, Any], stated: dict[str, Any]) -> None:
    """Compat: a stated `hold-following-changes: false` undoes nothing, `voting: true` does."""
    for key in _REPLACED:
        if stated.get(key):
            attributes[key] = stated[key]
    if stated.get("hold_following_changes"):
        attributes["hold_following_changes"] = True
    if "voting" in stated:
        attributes["voting"] = stated["voting"]
    if "tags" in stated:
        attributes["tags"] = attributes.get("tags", frozenset()) | stated["tags"]
    if "swift" in stated:
        by_name = {each["name"]: each for each in (*attributes.get("swift", ()), *stated["swift"])}
        attributes["swift"] = tuple(by_name.values())
