"""Answers of OpenStack's services that are no success, as nodepool's errors."""

from __future__ import annotations

from nodepool.errors import (
    ProviderError,
    ProviderLacks,
    ProviderRefused,
    ProviderThrottled,
    ProviderTimeout,
    QuotaExceeded,
    ServerNotFound,
)

#: what is kept of a cloud's text
MOST_TEXT = 500
_QUOTA_WORDS = ("quota", "exceeded for instances", "maximum number of")
_LACK_WORDS = ("image", "flavor", "network", "key_name", "keypair", "availability zone")


def clean(text: str) -> str:
    """One line of bounded length: a cloud's text goes to the log."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line[:MOST_TEXT]


def error_of(
    provider: str, what: str, status: int | None, text: str, retry_after: float = 0.0
) -> ProviderError:
    """`status` None: there was no answer, or none that can be read."""
    said = clean(text)
    told = f"{what}: {status or 'no answer'}: {said}"
    if status is None:
        return ProviderTimeout(told, provider=provider)
    if status in (403, 413) and any(word in said.lower() for word in _QUOTA_WORDS):
        return QuotaExceeded(told, provider=provider)
    if status in (413, 429):
        return ProviderThrottled(told, provider=provider, retry_after=retry_after)
    if status == 503 and retry_after:
        return ProviderThrottled(told, provider=provider, retry_after=retry_after)
    if status == 404:
        return ServerNotFound(told, provider=provider)
    if status == 400 and any(word in said.lower() for word in _LACK_WORDS):
        return ProviderLacks(told, provider=provider)
    if 400 <= status < 500:
        return ProviderRefused(told, provider=provider)
    return ProviderError(told, provider=provider)


def is_trouble(error: ProviderError, status: int | None) -> bool:
    """Whether the whole cloud shall be left alone for a moment; a word on one server is no such."""
    if isinstance(error, QuotaExceeded):
        return False
    return status is None or status in (401, 403, 413, 429) or status >= 500
