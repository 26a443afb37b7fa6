"""What goes wrong with databases. The text never holds a statement, its values or a password."""

from __future__ import annotations


class DatabaseError(Exception):
    """The database cannot be read or written."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or is busy; later it may be there again."""


class RowConflict(DatabaseError):
    """A row is there already, or what it refers to is not."""


class ValueRefused(DatabaseError):
    """The database cannot keep a value: it is too long, or has characters that it does not know."""
