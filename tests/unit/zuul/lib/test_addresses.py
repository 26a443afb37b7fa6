"""Mail addresses of configuration files."""

from __future__ import annotations

import pytest

from zuul.lib.addresses import parse_addresses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("zuul", ["zuul"]),
        ("a@example.org", ["a@example.org"]),
        ("a@example.org, b", ["a@example.org", "b"]),
        ("a@example.org,,b@example.org,", ["a@example.org", "b@example.org"]),
        ("Cora <c@example.org>, d@[192.0.2.1]", ["Cora <c@example.org>", "d@[192.0.2.1]"]),
        ('"Core, Team" <core@example.org>', ['"Core, Team" <core@example.org>']),
        ("Jörg <joerg@example.org>", ["Jörg <joerg@example.org>"]),
    ],
)
def test_addresses(text: str, found: list[str]) -> None:
    assert [str(address) for address in parse_addresses(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "=?utf-8?q?x=0ABcc:_y?= <a@b>",
        "a@",
        "@b",
        "a b",
        "a@b c",
        "a@b\nBcc: c",
        "a@b\r",
        "a\x00@b",
        "a" * 255,
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_addresses(text)
