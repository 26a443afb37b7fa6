"""Regular expressions within a time box."""

from __future__ import annotations

import logging
import pickle
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.pattern_shape import find_shape
from zuul.lib.patterns import MAX_TEXT, TIMEOUT_SECONDS, Pattern, PatternError

PIECES = st.sampled_from(
    [
        *(
            "a",
            "b",
            " ",
            ".",
            "x",
            "-",
            "^",
            "$",
            r"\.",
            r"\s",
            r"\w",
            r"\d",
            r"\b",
            "[ab]",
            "[^a]",
        ),
        *(
            "[]x]",
            "[a-z-]",
            "a*",
            "b+",
            "x?",
            ".*",
            ".*?",
            "a{2}",
            "b{1,3}",
            "a{,2}",
            "[ab]+",
            r"\s*",
        ),
        *(
            "(a|b)",
            "(ab)?",
            "(a|b|x)*",
            "(?:a+b)",
            "(?!a)",
            "(?=b)",
            "(?<=a)",
            "(?<!b)",
            "(a*)+",
            "|",
        ),
        *("(a)", r"(?P<n>a)", "{", "}", "a{x}"),
    ]
)
PATTERNS = st.builds(
    lambda flag, pieces: flag + "".join(pieces),
    st.sampled_from(["", "^", "(?i)", "(?i)^", "(?m)^", "(?s)"]),
    st.lists(PIECES, max_size=6),
)
TEXTS = st.text(alphabet="abxABX -.\n{}", max_size=12)


def compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@given(PATTERNS.filter(compiles), TEXTS)
def test_answers_as_re_does(pattern: str, text: str) -> None:
    found = Pattern(pattern)
    assert found.match(text) == bool(re.match(pattern, text))
    assert found.search(text) == bool(re.search(pattern, text))


@given(PATTERNS.filter(compiles), TEXTS)
def test_the_timed_matcher_answers_as_re_does(pattern: str, text: str) -> None:
    found = Pattern(pattern)
    assert found._timed_answer(text, search=False) == bool(re.match(pattern, text))
    assert found._timed_answer(text, search=True) == bool(re.search(pattern, text))


@given(PATTERNS.filter(compiles), TEXTS)
def test_literals_stand_in_every_text_that_matches(pattern: str, text: str) -> None:
    shape = find_shape(pattern)
    if re.match(pattern, text):
        assert text.startswith(shape.prefix)
        assert text.rstrip("\n").endswith(shape.suffix.rstrip("\n"))
    if re.search(pattern, text):
        assert shape.needle in text
        assert not shape.anchored or re.match(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "prefix", "suffix", "needle"),
    [
        ("^gate-.*-docs$", "gate-", "-docs", "gate-"),
        ("^.*-dsvm-.*$", "", "", "-dsvm-"),
        ("^abc*d", "ab", "", "ab"),
        ("^abc+d", "abc", "", "ab"),
        (r"^a\.b$", "a", "b", "a"),
        (r"^x\d$", "x", "", "x"),
        (r"^a\$", "a", "", "a"),
        ("^(a|b)-x$", "", "-x", "-x"),
        ("^ab|cd$", "", "", ""),
        ("(?i)^abc$", "", "", ""),
        ("abc", "", "", "abc"),
    ],
)
def test_literals(pattern: str, prefix: str, suffix: str, needle: str) -> None:
    shape = find_shape(pattern)
    assert (shape.prefix, shape.suffix, shape.needle) == (prefix, suffix, needle)


@pytest.mark.parametrize(
    ("pattern", "degree"),
    [
        ("^master$", 0),
        ("^stable/(kilo|liberty)$", 0),
        ("^.*x.*$", 2),
        ("^(?!refs/.*).*$", 2),
        ("a{2,9}", 1),
        ("^(a+)+$", None),
        ("^(a|aa)+$", None),
        ("(a?){30}", None),
        ("(?:(?:a*)b)*", None),
        (r"(a)\1", None),
        ("(?x)a", None),
    ],
)
def test_degrees(pattern: str, degree: int | None) -> None:
    assert find_shape(pattern).degree == degree


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "^(a|aa)+$", "(a*)*b", "^(a?){40}a{40}$", ".*.*.*.*.*.*.*=b", r"(x+x+)+y"],
)
def test_catastrophes_end_in_time_and_count_as_no_match(
    pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = Pattern(pattern, "layout.yaml:12")
    text = "a" * 30_000 + "x" * 2_000 + "!"
    begin = time.thread_time()
    with caplog.at_level(logging.WARNING, "zuul.Patterns"):
        for more in ("", "!", "!!"):
            assert not found.search(text + more)
    assert time.thread_time() - begin < 10 * TIMEOUT_SECONDS
    assert len(caplog.records) <= 1
    if caplog.records:
        assert "layout.yaml:12" in caplog.text
        assert pattern in caplog.text


def test_a_text_beyond_the_limit_matches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    found = Pattern("(?x)a+")
    assert found.search("a" * MAX_TEXT)
    assert not found.search("a" * (MAX_TEXT + 1))
    assert f"{MAX_TEXT + 1} characters" in caplog.text


def test_a_long_text_is_matched_by_harmless_patterns() -> None:
    assert Pattern(r"(?i)^\s*recheck").search("recheck" + " word" * 200_000)
    assert not Pattern(r"(?i)^\s*recheck\s*$").search("recheck" + " word" * 200_000)


def test_the_last_answer_is_kept_for_its_own_question() -> None:
    found = Pattern("(?x)b")
    text = "ab"
    assert [found.search(text), found.match(text), found.search(text)] == [True, False, True]
    assert found.search("b" + text)


@pytest.mark.parametrize("pattern", ["(", "*", "[", "a{99999999999}", "(?P<1>a)", "\\"])
def test_what_does_not_compile_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError, match="is not a regular expression"):
        Pattern(pattern)


def test_equal_by_text() -> None:
    assert Pattern("a", "here") == Pattern("a", "there")
    assert Pattern("a") != Pattern("b")
    assert Pattern("a") != "a"
    assert len({Pattern("a"), Pattern("a")}) == 1
    assert repr(Pattern("a")) == "Pattern('a')"


def test_pickles_with_its_source() -> None:
    found = pickle.loads(pickle.dumps(Pattern("(a+)+", "layout.yaml:3")))
    assert (found.pattern, found.source) == ("(a+)+", "layout.yaml:3")
    assert found.match("aa")
