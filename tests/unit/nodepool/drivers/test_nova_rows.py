"""Rows of OpenStack's answers, and the mark of the owner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodepool.drivers import nova_rows as rows
from nodepool.drivers.nova_errors import clean, error_of
from nodepool.drivers.provider import fault_of
from nodepool.model import Fault, MachineKey, Owner


@pytest.mark.parametrize(
    "owner",
    [
        Owner("p", MachineKey("node", 1), None),
        Owner("p", MachineKey("node", 12, 3), "x"),
        Owner("p", MachineKey("image", 4), "x"),
    ],
)
def test_a_mark_is_read_as_it_was_written(owner: Owner) -> None:
    assert rows.read_mark(rows.write_mark(owner, "bare")) == owner
    long = rows.write_mark(owner, "i" * 300)
    assert len(long) <= rows.MOST_VALUE
    assert rows.read_mark(long) == owner


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "no json", "[]", "{}", "[" * 5000, '{"provider_name": "p"}'),
        '{"provider_name": 1, "node_id": 1}',
        '{"provider_name": "p", "node_id": "1"}',
        '{"provider_name": "p", "node_id": true}',
        '{"provider_name": "p", "node_id": -1}',
        '{"provider_name": "p", "node_id": 1, "nodepool_id": 5}',
        '{"provider_name": "p", "node_id": 1, "machine_index": "x"}',
    ],
)
def test_what_is_no_mark_is_not_ours(text: str | None) -> None:
    assert rows.read_mark(text) is None


def test_the_first_eras_mark_is_read() -> None:
    text = json.dumps({"provider_name": "p", "snapshot_image_id": 3, "image_name": "i"})
    assert rows.read_mark(text) == Owner("p", MachineKey("image", 3), None)


def entry(address: str, kind: str = "fixed") -> dict[str, str]:
    return {"addr": address, "OS-EXT-IPS:type": kind}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ({}, (None, None, None)),
        ({"public": "1.2.3.4"}, ("1.2.3.4", None, "1.2.3.4")),
        ({"public": ["1.2.3.4"], "private": ["10.0.0.1"]}, ("1.2.3.4", None, "10.0.0.1")),
        ({"private": [entry("192.168.0.5")]}, (None, None, "192.168.0.5")),
        (
            {"net": [entry("10.0.0.1"), entry("5.6.7.8", "floating")]},
            ("5.6.7.8", None, "10.0.0.1"),
        ),
        (
            {"net": [entry("8.8.8.8"), entry("2001:db8::1"), entry("fe80::1")]},
            ("8.8.8.8", "2001:db8::1", "8.8.8.8"),
        ),
    ],
)
def test_addresses(addresses: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    server = rows.read_server({"id": "a", "status": "ACTIVE", "addresses": addresses})
    assert (server.public_v4, server.public_v6, server.private_v4) == expected
    assert server.has_floating_ip is ("5.6.7.8" in expected)


def test_a_network_may_be_called_public_by_the_configuration() -> None:
    row = {"id": "a", "status": "ACTIVE", "addresses": {"lab": [entry("10.1.1.1")]}}
    assert rows.read_server(row).public_v4 is None
    assert rows.read_server(row, frozenset(("lab",))).public_v4 == "10.1.1.1"


@pytest.mark.parametrize(
    ("status", "text", "fault"),
    [
        (None, "", Fault.UNKNOWN),
        (403, "Quota exceeded for cores", Fault.QUOTA),
        (403, "no", Fault.REFUSED),
        (413, "over the limit", Fault.THROTTLED),
        (429, "", Fault.THROTTLED),
        (400, "Flavor's disk is too small for requested image.", Fault.IMPOSSIBLE),
        (401, "", Fault.REFUSED),
        (502, "", Fault.UNKNOWN),
    ],
)
def test_faults(status: int | None, text: str, fault: Fault) -> None:
    assert fault_of(error_of("p", "create", status, text)) is fault


def test_a_clouds_text_is_one_short_line() -> None:
    assert clean("a\r\nb\x1b[31m\t" + "x" * 9999).startswith("a b [31m xxx")
    assert len(clean("x" * 9999)) == 500
