"""Secret: a text that may be used but not shown.

Nothing that prints, formats, copies into JSON or pickles a Secret sees the value; whoever really
needs it says `reveal()`, so a search for that word finds every place a secret leaves by.
"""

from __future__ import annotations

import hmac
from typing import NoReturn
from urllib.parse import unquote, urlsplit

STARS = "********"


class Secret:
    """A password or key out of a configuration file."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return STARS

    def __format__(self, spec: str) -> str:
        return STARS

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written anywhere")


def secrets_in_url(url: Secret) -> list[Secret]:
    """Its password, if it has one; the whole, if it is no URL."""
    try:
        password = urlsplit(url.reveal()).password
    except ValueError:
        return [url]
    return [Secret(unquote(password))] if password else []
