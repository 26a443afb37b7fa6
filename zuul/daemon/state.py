"""Trigger events that wait for the next start: state_dir/queue.jsonl, one event a line."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zuul.lib.logs import fields
from zuul.model.change import Approval
from zuul.model.trigger import Account, TriggerEvent

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger("zuul.Scheduler")

FILE_NAME = "queue.jsonl"


def write_events(state_dir: Path, events: Iterable[TriggerEvent]) -> int:
    """Keep the events for the next start; how many were kept."""
    lines = [json.dumps(asdict(event)) for event in events]
    if lines:
        path = state_dir / FILE_NAME
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write("\n".join(lines) + "\n")
        os.replace(new, path)
    return len(lines)


def take_events(state_dir: Path) -> list[TriggerEvent]:
    """The events kept by `write_events`; the file is removed. Damaged lines are logged."""
    path = state_dir / FILE_NAME
    try:
        # Bytes that are no UTF-8 damage the lines they stand in, and no other.
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(parse_event(json.loads(line)))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            log.warning("A saved event is damaged: %s %s", error, fields(file=path, line=number))
    path.unlink()
    return events


class Hearer(Protocol):
    """A driver that events can come from."""

    def hear(self, event: TriggerEvent) -> None: ...


def give_back(events: Iterable[TriggerEvent], drivers: Mapping[str, Hearer]) -> None:
    """Let whoever heard of the events, or knows their change, hear of them again."""
    for event in events:
        driver = drivers.get(event.source or event.connection)
        if driver is None:
            log.warning(
                "A saved event is dropped, its connection is gone %s",
                fields(connection=event.source or event.connection, type=event.type),
            )
        else:
            driver.hear(event)


def parse_event(data: dict[str, Any]) -> TriggerEvent:
    """What `asdict` made of an event.

    Raises ValueError, TypeError, LookupError or AttributeError on anything else.
    """
    account = data.pop("account")
    approvals = data.pop("approvals")
    return TriggerEvent(
        **_typed(TriggerEvent, data),
        account=Account(**_typed(Account, account)) if account else None,
        approvals=tuple(Approval(**_typed(Approval, approval)) for approval in approvals),
    )


def _typed(kind: type[DataclassInstance], data: dict[str, Any]) -> dict[str, Any]:
    """`data`, once every value is known to be of its field's type. Raises ValueError."""
    declared = {each.name: str(each.type) for each in dataclass_fields(kind)}
    for name, value in data.items():
        found = (
            "float" if type(value) is int and declared[name] == "float" else type(value).__name__
        )
        if found.removesuffix("Type") not in declared[name].split(" | "):
            raise ValueError(f"{name} is no {declared[name]}")
    return data
