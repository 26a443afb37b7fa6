"""Approval matchers, `require` and `reject`: contract zuul.md 2.2 and 2.5."""

from __future__ import annotations

import re

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.lib.yaml_fields import Fields
from zuul.model.change import normalize_label
from zuul.model.matching import ApprovalMatcher, ApprovalRules, ChangeFilter

_INTERVAL = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def read_rules(context: Context, fields: Fields, require: str, reject: str) -> ApprovalRules:
    """The lists of matchers under two keys, each of which may be one matcher."""
    return ApprovalRules(
        require=tuple(_read_matcher(context, each) for each in fields.maps(require)),
        reject=tuple(_read_matcher(context, each) for each in fields.maps(reject)),
    )


def read_requirements(context: Context, pipeline: Fields) -> ChangeFilter:
    """A pipeline's `require` and `reject`."""
    document = context.document
    require_node, reject_node = pipeline.take("require"), pipeline.take("reject")
    wanted = ChangeFilter()
    required: tuple[ApprovalMatcher, ...] = ()
    if require_node is not None:
        fields = Fields(document, require_node)
        required = tuple(_read_matcher(context, each) for each in fields.maps("approval"))
        wanted = ChangeFilter(
            open=fields.flag("open", None),
            current_patchset=fields.flag("current-patchset", None),
            statuses=frozenset(fields.texts("status")),
        )
        fields.finish()
    rejected: tuple[ApprovalMatcher, ...] = ()
    if reject_node is not None:
        fields = Fields(document, reject_node)
        rejected = tuple(_read_matcher(context, each) for each in fields.maps("approval"))
        fields.finish()
    return ChangeFilter(
        open=wanted.open,
        current_patchset=wanted.current_patchset,
        statuses=wanted.statuses,
        approvals=ApprovalRules(require=required, reject=rejected),
    )


def _read_matcher(context: Context, fields: Fields) -> ApprovalMatcher:
    username = context.one_pattern(fields, "username")
    email = context.one_pattern(fields, "email", "email-filter")
    newer_than = _interval(fields, "newer-than")
    older_than = _interval(fields, "older-than")
    labels = {
        normalize_label(label): _values(fields, value)
        for label, (_, value) in fields.rest().items()
    }
    return ApprovalMatcher(username, email, newer_than, older_than, labels)


def _values(fields: Fields, node: Node) -> frozenset[int]:
    numbers = map(fields.document.integer, fields.document.one_or_more(node))
    return frozenset(number for number in numbers if number is not None)


def _interval(fields: Fields, key: str) -> float | None:
    node = fields.take(key)
    text = None if node is None else fields.document.text(node)
    if node is None or text is None:
        return None
    parts = _INTERVAL.fullmatch(text.strip().lower())
    if parts is None:
        fields.document.complain(
            node, f"expected a number and one of s, m, h, d, w, like 48h, not {text!r}"
        )
        return None
    return float(int(parts[1]) * _SECONDS[parts[2]])
