"""nodepool.yaml: providers and their images."""

from __future__ import annotations

import pytest

from nodepool.config import parse_config
from tests.unit.nodepool.config.texts import GOOD, problems, warnings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("boot-timeout", "0"),
        ("api-timeout", "0"),
        ("launch-timeout", "soon"),
        ("max-servers", "-2"),
        ("image-type", "iso"),
        ("networks", "[{name: a, net-id: b}]"),
        ("networks", "[{}]"),
        ("template-hostname", "'{image.name'"),
        ("template-hostname", "'{image.name!r}'"),
        ("ipv6-preferred", "3"),
    ],
)
def test_bad_values_of_a_provider(key: str, value: str) -> None:
    text = GOOD.replace("    rate: 1\n", f"    rate: 1\n    {key}: {value}\n")
    text = text.replace("    max-servers: 5\n", "") if key == "max-servers" else text
    (problem,) = problems(text)
    assert f"providers[1].{key}" in problem


def test_what_has_no_effect_is_warned_of() -> None:
    text = GOOD.replace(
        "    rate: 1\n",
        "    rate: 1\n    networks: [{net-id: a, public: true}, {name: b, public: true}]\n",
    )
    assert warnings(text) == [
        "18:providers[1].networks[0].public: has no effect with net-id: servers tell their networks"
        " by name"
    ]


def test_a_provider_drains_with_minus_one() -> None:
    config = parse_config(GOOD.replace("max-servers: 10", "max-servers: -1"), "f")
    assert config.providers["one"].max_servers == -1


def test_images_of_the_last_era_are_the_diskimage_of_their_name() -> None:
    text = GOOD.replace("base-image: Trusty}", "meta: {a: 1}}") + "diskimages: [{name: trusty}]\n"
    images = parse_config(text, "f").providers["two"].images
    assert (images["trusty"].diskimage, images["trusty"].meta) == ("trusty", (("a", "1"),))
    (warning,) = warnings(text)
    assert "disk images are not built here, and no nodes of them are made: trusty" in warning
    (warning,) = warnings(GOOD.replace(", base-image: Trusty}", "}"))
    assert "has no base-image and no diskimage" in warning


def test_too_much_meta_is_left_out() -> None:
    meta = "{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}"
    text = GOOD.replace("base-image: Trusty}", f"base-image: Trusty, meta: {meta}}}")
    (warning,) = warnings(text)
    assert "at most 5 entries" in warning
    assert parse_config(text, "f").providers["two"].images["trusty"].meta == ()
