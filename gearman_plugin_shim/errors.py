"""What can go wrong around the bridge."""

from __future__ import annotations


class ShimError(Exception):
    """Something around the bridge is not as it should be."""


class JournalError(ShimError):
    """The journal cannot be read or written."""
