"""Reading `status`, and asking for it rarely."""

from __future__ import annotations

import pytest

from zuul.lib.gearman import AdminError, FunctionRegistry, FunctionStatus, parse_status


def test_status_lines() -> None:
    text = b"build:a\t3\t1\t2\nmerger:merge\t0\t0\t0\nbuild:\xff\t1\t0\t0\n.\n"
    assert parse_status(text) == {
        "build:a": FunctionStatus(total=3, running=1, workers=2),
        "merger:merge": FunctionStatus(0, 0, 0),
        "build:\ufffd": FunctionStatus(1, 0, 0),
    }


@pytest.mark.parametrize("line", [b"ERR nothing", b"f\t1\t2", b"f\ta\tb\tc", b"f\t1\t2\t3\t4"])
def test_line_that_is_none(line: bytes) -> None:
    with pytest.raises(AdminError, match="not understood"):
        parse_status(line + b"\n.\n")


class Server:
    """Counts the questions."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionStatus] = {}
        self.asked = 0
        self.now = 100.0

    def fetch(self) -> dict[str, FunctionStatus]:
        self.asked += 1
        return dict(self.functions)


def test_listed_once_is_registered_until_forgotten() -> None:
    server = Server()
    server.functions["f"] = FunctionStatus(0, 0, 0)
    registry = FunctionRegistry(server.fetch, lambda: server.now)
    assert registry.is_registered("f")
    server.functions.clear()
    server.now += 3600
    assert registry.is_registered("f")
    assert server.asked == 1
    registry.forget()
    assert not registry.is_registered("f")


def test_missing_is_asked_for_every_five_seconds() -> None:
    server = Server()
    registry = FunctionRegistry(server.fetch, lambda: server.now)
    assert not registry.is_registered("f")
    server.functions["f"] = FunctionStatus(0, 0, 1)
    server.now += 4.9
    assert not registry.is_registered("f")
    server.now += 0.1
    assert registry.is_registered("f")
    assert server.asked == 2
