"""Typed reads from Gerrit's JSON; every failure names the field.

Numbers come as JSON numbers or as strings, by the server's age; inside they are strings (ids) or
ints (votes, times).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from zuul.model.change import Approval, normalize_label
from zuul.model.trigger import Account

Json = Mapping[str, Any]

#: what servers of 2013 called the labels of which they sent no description
_OLD_TYPES = {"CRVW": "code-review", "VRIF": "verified", "APRV": "approved"}
_NO_ROW: Json = {}
#: of any number Gerrit could mean: a 64-bit integer, which is a time as well
MOST = 2**63


class FieldError(ValueError):
    """A field is missing or of the wrong type; the text says which."""


def read_object(data: Json, key: str, where: str = "") -> Json:
    """A required object."""
    value = data.get(key)
    if not isinstance(value, dict):
        raise FieldError(f"{where}{key}: {_fault(value)}, expected an object")
    return value


def find_object(data: Json, key: str, where: str = "") -> Json:
    """An optional object; empty if there is none."""
    value = data.get(key)
    if value is None:
        return _NO_ROW
    if not isinstance(value, dict):
        raise FieldError(f"{where}{key}: {_fault(value)}, expected an object")
    return value


def read_text(data: Json, key: str, where: str = "") -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise FieldError(f"{where}{key}: {_fault(value)}, expected a text")
    return value


def find_text(data: Json, key: str, where: str = "") -> str | None:
    value = data.get(key)
    if value is None or isinstance(value, str):
        return value
    raise FieldError(f"{where}{key}: {_fault(value)}, expected a text")


def read_id(data: Json, key: str, where: str = "") -> str:
    """A change or patch set number, as decimal digits without sign or leading zero."""
    number = find_integer(data, key, where)
    if number is None or number < 0:
        raise FieldError(f"{where}{key}: {_fault(data.get(key))}, expected a number")
    return str(number)


def find_integer(data: Json, key: str, where: str = "") -> int | None:
    value = data.get(key)
    if value is None:
        return None
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and len(value) <= 20 and value.isascii():
        with suppress(ValueError):
            number = int(value)
    if number is not None and abs(number) <= MOST:
        return number
    raise FieldError(f"{where}{key}: {_fault(value)}, expected a number")


def find_rows(data: Json, key: str, where: str = "") -> list[Json]:
    """An optional list of objects."""
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise FieldError(f"{where}{key}: {_fault(value)}, expected a list of objects")
    return value


def parse_account(data: Json, where: str) -> Account:
    """A row of Gerrit's account object; what the server does not tell is None."""
    return Account(
        find_text(data, "username", where),
        find_text(data, "email", where),
        find_text(data, "name", where),
    )


def parse_approval(row: Json, where: str) -> Approval:
    """One vote; the voter is known in query rows only."""
    description = find_text(row, "description", where)
    if description:
        label = normalize_label(description)
    else:
        kind = read_text(row, "type", where)
        label = _OLD_TYPES.get(kind) or normalize_label(kind)
    value = find_integer(row, "value", where)
    by = find_object(row, "by", where)
    return Approval(
        label,
        0 if value is None else value,
        find_text(by, "username", where) if by else None,
        find_text(by, "email", where) if by else None,
        float(find_integer(row, "grantedOn", where) or 0),
    )


def _fault(value: object) -> str:
    return "is missing" if value is None else f"is {str(value)[:80]!r}"
