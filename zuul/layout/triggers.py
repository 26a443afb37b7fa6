"""A pipeline's `trigger`: contract zuul.md 2.3 and 2.4, and the bare list of Zuul 1.3."""

from __future__ import annotations

from yaml.nodes import Node, SequenceNode

from zuul.layout.approvals import read_rules
from zuul.layout.context import Context
from zuul.lib.cron import parse_cron
from zuul.lib.yaml_fields import Fields
from zuul.model.change import normalize_label
from zuul.model.matching import EventFilter
from zuul.model.trigger import PARENT_CHANGE_ENQUEUED, PROJECT_CHANGE_MERGED, TIMER, ZUUL

GERRIT_EVENTS = frozenset(
    {
        "patchset-created",
        "draft-published",
        "change-abandoned",
        "change-restored",
        "change-merged",
        "comment-added",
        "ref-updated",
    }
)
ZUUL_EVENTS = frozenset({PROJECT_CHANGE_MERGED, PARENT_CHANGE_ENQUEUED})
REF_UPDATED = "ref-updated"
#: seconds; what should be spread wider is better off with timers of its own
MOST_JITTER = 86_400


def read_triggers(context: Context, pipeline: Fields, source: str) -> tuple[EventFilter, ...]:
    """All filters of a pipeline, in the order written."""
    document = context.document
    node = pipeline.take("trigger")
    if node is None:
        pipeline.missing("trigger")
        return ()
    if isinstance(node, SequenceNode):
        return _gerrit_filters(context, source, node, node)
    triggers = document.fields(node, "a map of triggers")
    if "event" in triggers and (context.connections is None or "event" not in context.connections):
        return _gerrit_filters(context, source, node, node)
    found: list[EventFilter] = []
    for name, (key, value) in triggers.items():
        if name == TIMER:
            found += [_timer_filter(context, each) for each in _maps(context, value)]
        elif name == ZUUL:
            found += [_zuul_filter(context, each) for each in _maps(context, value)]
        else:
            found += _gerrit_filters(context, name, key, value)
    return tuple(found)


def _maps(context: Context, node: Node) -> list[Fields]:
    each = context.document.one_or_more(node)
    return [Fields(context.document, item, "a map with the event") for item in each]


def _gerrit_filters(
    context: Context, connection: str, key: Node, value: Node
) -> tuple[EventFilter, ...]:
    context.check_connection(connection, key, ("gerrit",))
    return tuple(_gerrit_filter(context, connection, each) for each in _maps(context, value))


def _gerrit_filter(context: Context, connection: str, fields: Fields) -> EventFilter:
    types = _events(fields, GERRIT_EVENTS)
    branches = context.patterns(fields, "branch")
    ref_node = fields.take("ref")
    refs = context.patterns(fields, "ref")
    if ref_node is not None and types - {REF_UPDATED}:
        context.document.complain(ref_node, f"is for the event {REF_UPDATED} alone")
    if branches and types == {REF_UPDATED}:
        context.document.warn(
            fields.node, f"never matches: {REF_UPDATED} has no branch, use ref", "branch"
        )
    found = EventFilter(
        trigger=connection,
        types=types,
        branches=branches,
        refs=refs,
        comments=context.patterns(fields, "comment", "comment_filter"),
        emails=context.patterns(fields, "email", "email_filter"),
        usernames=context.patterns(fields, "username", "username_filter"),
        approvals=_votes(fields),
        ignore_deletes=fields.flag("ignore-deletes", True),
        change_approvals=read_rules(context, fields, "require-approval", "reject-approval"),
    )
    fields.finish()
    return found


def _timer_filter(context: Context, fields: Fields) -> EventFilter:
    """Compat: an expression of another length loads, and is then ignored, as Zuul does."""
    node = fields.take("time")
    timespec: str | None = fields.require_text("time")
    if timespec and len(timespec.split()) not in (5, 6):
        context.document.warn(
            fields.node, f"is ignored: expected five or six fields, not {timespec!r}", "time"
        )
        timespec = None
    elif timespec and node is not None:
        try:
            parse_cron(timespec)
        except ValueError as error:
            context.document.complain(node, str(error))
    jitter = fields.integer("jitter", 0, most=MOST_JITTER)
    fields.finish()
    return EventFilter(
        trigger=TIMER, types=frozenset({TIMER}), timespec=timespec or None, jitter=jitter
    )


def _zuul_filter(context: Context, fields: Fields) -> EventFilter:
    types = _events(fields, ZUUL_EVENTS)
    pipelines = context.patterns(fields, "pipeline")
    if pipelines and types == {PROJECT_CHANGE_MERGED}:
        context.document.warn(
            fields.node, f"has no effect: it is for {PARENT_CHANGE_ENQUEUED}", "pipeline"
        )
    found = EventFilter(
        trigger=ZUUL,
        types=types,
        pipelines=pipelines,
        change_approvals=read_rules(context, fields, "require-approval", "reject-approval"),
    )
    fields.finish()
    return found


def _events(fields: Fields, known: frozenset[str]) -> frozenset[str]:
    node = fields.take("event")
    if node is None:
        fields.missing("event")
        return frozenset()
    items = fields.document.one_or_more(node)
    if not items:
        fields.document.complain(node, "names no event")
    types: set[str] = set()
    for item in items:
        word = fields.document.text(item)
        if word is not None and word not in known:
            words = ", ".join(sorted(known))
            fields.document.complain(item, f"expected one of {words}, not {word!r}")
        elif word is not None:
            types.add(word)
    return frozenset(types)


def _votes(fields: Fields) -> dict[str, int]:
    """Compat: a list of maps is folded into one, so that the last value of a label counts."""
    votes: dict[str, int] = {}
    for each in fields.maps("approval"):
        for label, (_, node) in each.rest().items():
            value = each.document.integer(node)
            if value is not None:
                votes[normalize_label(label)] = value
    return votes
