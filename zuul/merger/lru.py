"""A dictionary that keeps what was used recently and forgets the rest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, ItemsView
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recently(Generic[K, V]):
    """At most `limit` entries; `dropped` is told of every value that leaves."""

    def __init__(self, limit: int, dropped: Callable[[V], None] | None = None) -> None:
        self._limit = limit
        self._dropped = dropped
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self._drop(oldest)

    def pop(self, key: K) -> None:
        value = self._entries.pop(key, None)
        if value is not None:
            self._drop(value)

    def items(self) -> ItemsView[K, V]:
        return self._entries.items()

    def clear(self) -> None:
        while self._entries:
            _, value = self._entries.popitem()
            self._drop(value)

    def _drop(self, value: V) -> None:
        if self._dropped is not None:
            self._dropped(value)
