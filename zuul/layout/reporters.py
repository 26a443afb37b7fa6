"""The reporters of one action, and their parameters: contract zuul.md 8."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

from yaml.nodes import MappingNode, Node, SequenceNode

from zuul.layout.context import Context
from zuul.lib.addresses import parse_addresses
from zuul.lib.yaml_fields import Fields
from zuul.model.layout import ReportAction

REPORTERS = ("gerrit", "smtp", "sql")


def read_reporters(context: Context, node: Node, source: str) -> tuple[ReportAction, ...]:
    """`{connection: {parameters}}`, or the bare parameters of Zuul 1.3, which are Gerrit's."""
    document = context.document
    entries = document.fields(node, "a map of reporters")
    values = [value for _, value in entries.values()]
    if values and not any(isinstance(value, MappingNode | SequenceNode) for value in values):
        if all(value.tag.endswith(":null") for value in values):
            for _, value in entries.values():
                document.complain(value, "has no value; expected the reporter's map, maybe {}")
            return ()
        context.check_connection(source, node, ("gerrit",))
        return (ReportAction(source, _parameters(context, node, "gerrit")),)
    reporters: list[ReportAction] = []
    for name, (key, value) in entries.items():
        driver = context.check_connection(name, key, REPORTERS)
        reporters.append(ReportAction(name, _parameters(context, value, driver)))
    return tuple(reporters)


def _parameters(context: Context, node: Node, driver: str | None) -> dict[str, Any]:
    """Gerrit's are labels and options and may be anything; the others have a few known keys."""
    fields = Fields(context.document, node, "the reporter's map, maybe {}")
    if driver == "smtp":
        _check_mail(fields)
    elif driver == "sql":
        fields.integer("score", 0, least=-(2**31))
        fields.finish()
    return {key: context.document.plain(value) for key, (_, value) in fields.all().items()}


def _check_mail(fields: Fields) -> None:
    """What could never become a mail is told now, not when there is something to report."""
    for key in ("to", "from"):
        node = fields.take(key)
        text = fields.text(key, None)
        if node is None or text is None:
            continue
        try:
            parse_addresses(text)
        except ValueError as error:
            fields.document.complain(node, str(error))
    subject = fields.take("subject")
    template = fields.text("subject", None)
    if subject is not None and template is not None and (wrong := _wrong_in_template(template)):
        fields.document.complain(subject, wrong)
    fields.text("connection", "")
    fields.finish()


def _wrong_in_template(template: str) -> str | None:
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"is no format string: {error}"
    for name in names:
        if re.match(r"change(?![A-Za-z0-9_])", name) is None:
            return f"only fields of {{change}} can be shown, not {{{name}}}"
    return None
