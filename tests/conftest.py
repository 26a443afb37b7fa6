"""What every test may rely on: no network but loopback, and real services that cannot be missed.

Markers, the time limit of a test and warnings as errors are set in pyproject.toml.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lanes import SECONDS, arranged, block_of
from zuul.lib import logs

TESTS = Path(__file__).parent
_LOCAL_NAMES = ("", "localhost", "localhost.localdomain", "ip6-localhost")


def _is_loopback(host: str) -> bool:
    if host in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that talks to another machine fails where it does so."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def check(address: Any) -> None:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise AssertionError(f"a test wants to connect to {address[0]}: loopback only")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or ""
        if not _is_loopback(name) and name != socket.gethostname():
            raise socket.gaierror(socket.EAI_NONAME, f"no look-up of {name}: loopback only")
        return getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
    yield


@pytest.fixture(autouse=True)
def _secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process hides in its logs, it hides until its end: another test's words, here."""
    monkeypatch.setattr(logs._redactor, "_hidden", set())
    monkeypatch.setattr(logs._redactor, "_pattern", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests say where they live: folders imply markers. Several workers begin with the longest."""
    for item in items:
        parts = item.path.parts
        for folder in ("integration", "acceptance"):
            if folder in parts and not item.get_closest_marker(folder):
                item.add_marker(folder)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = [items[position] for position in arranged(list(map(_weight, items)), workers)]


def _weight(item: pytest.Item) -> tuple[tuple[str, ...], float]:
    parts = item.path.relative_to(TESTS).parts
    return block_of(parts, getattr(item, "fixturenames", ())), SECONDS.get(parts[0], 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """With CI=true a test of a real service that skips is a failure: it was not had."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and item.get_closest_marker("real"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"CI=true: a real service is missing: {reason}"
    return report
