"""Counts what nodepool's core tells its observer."""

from __future__ import annotations

from collections import Counter
from typing import Any


class CountingObserver:
    """Remembers the last calls of each hook, too."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def hook(*arguments: Any) -> None:
            detail = f" {arguments[1]}" if name == "launch_ended" else ""
            self.counts[name + detail] += 1
            self.told.append((name, *arguments))

        return hook
