"""Names to paths and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.jenkins.paths import (
    BuildPlace,
    build_path,
    computer_path,
    job_path,
    parse_place,
    parse_queue_id,
)

PART = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1)


@given(st.lists(PART, min_size=1, max_size=4), st.integers(1, 10**6))
def test_a_path_is_read_back(parts: list[str], number: int) -> None:
    name = "/".join(parts)
    place = parse_place(f"http://h:1/jenkins/{build_path(name, number)}")
    assert place == BuildPlace(name, number)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("unit", "job/unit/"),
        ("a/b", "job/a/job/b/"),
        ("fol der/ünit", "job/fol%20der/job/%C3%BCnit/"),
        ("a?b#c%", "job/a%3Fb%23c%25/"),
    ],
)
def test_paths_of_jobs(name: str, path: str) -> None:
    assert job_path(name) == path


def test_the_masters_own_computer_keeps_its_brackets() -> None:
    assert computer_path("(built-in)") == "computer/(built-in)/"
    assert computer_path("a b/c") == "computer/a%20b%2Fc/"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h/job/12/", BuildPlace("12", None)),
        ("http://h/job/12/13/", BuildPlace("12", 13)),
        ("https://proxy/ci/job/a/job/b/7", BuildPlace("a/b", 7)),
        ("http://h/job/matrix/axis=1/7/", None),
        ("http://h/view/all/", None),
        ("http://[", None),
        (None, None),
        (7, None),
    ],
)
def test_places(url: object, place: BuildPlace | None) -> None:
    assert parse_place(url) == place


@pytest.mark.parametrize(
    ("location", "number"),
    [
        ("http://h/queue/item/17/", 17),
        ("/jenkins/queue/item/17", 17),
        ("http://h/job/unit/", None),
        ("", None),
        (None, None),
    ],
)
def test_queue_ids(location: str | None, number: int | None) -> None:
    assert parse_queue_id(location) == number
