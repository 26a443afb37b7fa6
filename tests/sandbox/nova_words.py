"""Reads single words of requests to nova; ApiError in nova's own words for what is none."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from tests.sandbox.nova_errors import ApiError, bad

#: nova's osapi_max_limit
MOST_A_PAGE = 1000
MOST_METADATA = 128


def check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise bad(f"Invalid input for field/attribute metadata. Value: {metadata}.")
    if len(metadata) > MOST_METADATA:
        raise ApiError(403, f"Maximum number of metadata items exceeds {MOST_METADATA}")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(value) > 255 or len(key) > 255:
            text = f"Invalid input for field/attribute {key}. Value: {value}. "
            raise bad(text + f"'{value}' is too long")


def read_limit(text: str | None) -> int:
    if text is None:
        return MOST_A_PAGE
    if not text.isdigit():
        raise bad(
            f"Invalid input for query parameters limit. Value: {text}. "
            f"'{text}' does not match '^[0-9]*$'"
        )
    return min(int(text), MOST_A_PAGE)


def read_pattern(name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise bad(
            f"Invalid input for query parameters {name}. Value: {text}. '{text}' is not a 'regex'"
        ) from error


def read_moment(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad(
            f"Invalid input for query parameters changes-since. Value: {text}. "
            f"'{text}' is not a 'date-time'"
        ) from error
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad(
            f"Invalid input for field/attribute user_data. Value: {text}. "
            f"'{text}' is not a 'base64'"
        ) from error
