"""Rows of the journal as JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from gearman_plugin_shim.model import BuildRow, Outcome

#: kept in columns of their own
_COLUMNS: Final = frozenset({"uuid", "master", "finished_at"})
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "int | None": (int, type(None)),
    "str | None": (str, type(None)),
    "float | None": (int, float, type(None)),
}


class RowError(ValueError):
    """A row of the journal makes no sense; names the field."""


def row_state(row: BuildRow) -> dict[str, Any]:
    """All of a row but uuid, master and finished_at, in JSON's types."""
    state = {key: value for key, value in asdict(row).items() if key not in _COLUMNS}
    state["outcome"] = row.outcome.value if row.outcome else None
    state["node_labels"] = list(row.node_labels)
    return state


def parse_row(
    uuid: str, master: str, state: Mapping[str, Any], finished_at: float | None
) -> BuildRow:
    """The row again. Raises RowError. What an older version did not write has its default."""
    values: dict[str, Any] = {}
    for each in fields(BuildRow):
        if each.name in _COLUMNS or each.name not in state:
            continue
        values[each.name] = _parse_value(each.name, str(each.type), state[each.name])
    if "job" not in values:
        raise RowError("job: is missing")
    row = BuildRow(uuid=uuid, master=master, finished_at=finished_at, **values)
    if (row.outcome is None) != (finished_at is None):
        raise RowError("outcome: does not go with finished_at")
    return row


def _parse_value(name: str, kind: str, value: Any) -> Any:
    if name == "outcome":
        try:
            return None if value is None else Outcome(value)
        except ValueError as error:
            raise RowError(f"outcome: {value!r}") from error
    if name == "node_labels":
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise RowError("node_labels: expected a list of texts")
        return tuple(value)
    allowed = _TYPES[kind]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise RowError(f"{name}: {value!r}")
    return value
