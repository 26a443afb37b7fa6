"""What nodepool.yaml and layout.yaml share: nodes with lines, fields that collect problems."""

from __future__ import annotations

import pytest

from zuul.lib.problems import Problem
from zuul.lib.yaml_document import Document
from zuul.lib.yaml_fields import Fields


def fields(text: str) -> Fields:
    document = Document(text, "a.yaml")
    return Fields(document, document.root)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("1.5", 1.5), ("'7'", 7.0), ("0.001", 0.001), ("0x10", 16.0)]
)
def test_a_number_may_have_a_fraction(text: str, number: float) -> None:
    reader = fields(f"rate: {text}")
    assert reader.number("rate", None) == number
    assert reader.document.sound


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan", "fast", "[1]", "", "true", "-1", "1e10"])
def test_what_is_no_number_is_a_problem_and_gives_the_default(text: str) -> None:
    reader = fields(f"rate: {text}")
    assert reader.number("rate", 1.0) == 1.0
    (problem,) = reader.document.problems()
    assert (problem.line, problem.key) == (1, "rate")


def test_keys_passed_over_are_warnings() -> None:
    reader = fields("name: a\nmax-server: 3\n")
    reader.text("name", "")
    reader.integer("max-servers", 0)
    reader.pass_over_rest()
    assert reader.document.sound
    assert reader.document.warnings() == [
        Problem(
            "a.yaml",
            2,
            "max-server",
            "is not a known key and is passed over; did you mean max-servers?",
        )
    ]


def test_problems_know_their_place() -> None:
    document = Document("providers:\n- name: a\n- name: 5\n  images: [{min-ram: x}]\n", "a.yaml")
    for provider in Fields(document, document.root).maps("providers"):
        provider.text("name", "")
        for image in provider.maps("images"):
            image.integer("min-ram", 0)
    assert [(each.line, each.key) for each in document.problems()] == [
        (3, "providers[1].name"),
        (4, "providers[1].images[0].min-ram"),
    ]
