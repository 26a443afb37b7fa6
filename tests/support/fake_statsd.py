"""A statsd client that keeps what it is sent."""

from __future__ import annotations


class FakeStatsd:
    """Stands in for statsd.StatsClient; figures as they would go over the wire."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def incr(self, stat: str, count: int = 1) -> None:
        self.sent.append(f"{stat}:{count}|c")

    def gauge(self, stat: str, value: float) -> None:
        self.sent.append(f"{stat}:{value}|g")

    def timing(self, stat: str, delta: float) -> None:
        self.sent.append(f"{stat}:{delta}|ms")

    def close(self) -> None:
        """Nothing is open."""

    def values(self, key: str, kind: str) -> list[str]:
        """What was sent under one key: `c`, `g` or `ms`."""
        return [
            value.removesuffix(f"|{kind}")
            for name, _, value in (entry.partition(":") for entry in self.sent)
            if name == key and value.endswith(f"|{kind}")
        ]
