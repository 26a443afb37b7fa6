"""What Gerrit's parser makes of our command lines is what was meant."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zuul.drivers.gerrit.commandline import (
    MAX_MESSAGE_BYTES,
    build_query,
    build_review,
    clean_message,
    quote,
    spell_label,
)

AWKWARD = st.text(
    alphabet=st.one_of(
        st.sampled_from("'\"\\ \t\n-=-;|&$`<>(){}"), st.characters(exclude_categories=["Cs"])
    )
)


def split_like_gerrit(text: str) -> list[str]:
    """Gerrit's BaseCommand: single quotes are literal, a backslash elsewhere escapes."""
    words: list[str] = []
    word = ""
    single = double = False
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character in " \t" and not (single or double):
            if word:
                words.append(word)
            word = ""
        elif character == '"' and not single:
            double = not double
        elif character == "'" and not double:
            single = not single
        elif character == "\\" and not single and position < len(text):
            word += text[position]
            position += 1
        else:
            word += character
    return [*words, word] if word else words


def parse_like_gerrit(command: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(options with values, positional words): words that begin with `--` part at their `=`,
    twice; `@FILE` would be read from the server's disk."""
    words = split_like_gerrit(command)
    assert words[:2] == ["gerrit", "review"]
    words = cut_at_equals(cut_at_equals(words[2:]))
    assert not any(word.startswith("@") for word in words)
    options, rest = [], []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            options.append((word, words.pop(0)))
        else:
            rest.append(word)
    return options, rest


def cut_at_equals(words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        found += word.split("=", 1) if word.startswith("--") and "=" in word else [word]
    return found


@given(AWKWARD.filter(bool))
def test_a_quoted_word_is_one_word(text: str) -> None:
    assert split_like_gerrit(f"a {quote(text)} b") == ["a", text, "b"]


def test_the_empty_word_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="empty"):
        quote("")


LABEL = AWKWARD.filter(lambda text: text and text[0] not in "-@")


@example("p", "--submit --label=Verified=2", {})
@example("p", "@/etc/passwd", {})
@example("--x=1", "--", {"a=b": 1})
@given(AWKWARD, AWKWARD, st.dictionaries(LABEL, st.integers(-2, 2), max_size=3))
def test_nothing_in_a_value_becomes_an_option(
    project: str, message: str, votes: dict[str, int]
) -> None:
    command = build_review(project, message, votes, "12", "3", {})
    options, rest = parse_like_gerrit(command)
    assert rest == ["12,3"]
    text = clean_message(message)
    options = [(name, value.strip() if name == "--message" else value) for name, value in options]
    assert options == [
        *([("--project", project)] if project[:1] not in ("-", "@") else []),
        *([("--message", text)] if text else []),
        *(("--label", f"{spell_label(label, {})}={value}") for label, value in votes.items()),
    ]


@pytest.mark.parametrize("key", ["", "-submit", "--submit", "@file"])
def test_a_key_that_is_no_label_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="label"):
        build_review("p", "m", {key: 1}, "1", "1", {})


@pytest.mark.parametrize(
    ("key", "known", "spelled"),
    [
        ("verified", {"verified": "VeriFied"}, "VeriFied"),
        ("Code Review", {"code-review": "Code-Review"}, "Code-Review"),
        ("code-review", {}, "Code-Review"),
        ("Verified", {}, "Verified"),
        ("CI-ok", {"verified": "Verified"}, "CI-ok"),
    ],
)
def test_spelling(key: str, known: dict[str, str], spelled: str) -> None:
    assert spell_label(key, known) == spelled


def test_true_is_an_option_and_all_else_a_label() -> None:
    parameters = {"verified": 2, "submit": True, "Code-Review": -1, "workflow": False}
    command = build_review("p", "m", parameters, "1", "2", {"verified": "Verified"})
    assert command == (
        "gerrit review '--project=p' '--message=m' '--label=Verified=2' '--submit'"
        " '--label=Code-Review=-1' '--label=Workflow=False' 1,2"
    )


@pytest.mark.parametrize("number", ["", "1 --submit", "-1", "1,2", "²"])
def test_a_patch_set_is_digits(number: str) -> None:
    with pytest.raises(ValueError, match="patch set"):
        build_review("p", "m", {}, number, "1", {})


def test_query() -> None:
    words = split_like_gerrit(build_query("change:1 OR change:2", skip=5))
    assert words[:4] == ["gerrit", "query", "--format", "json"]
    assert words[-3:] == ["-S", "5", "change:1 OR change:2"]


class TestCleanMessage:
    def test_control_characters_and_broken_unicode(self) -> None:
        assert clean_message("a\x00b\x1b[31m\udc80\r\nc\td ") == "a\ufffdb\ufffd[31m\ufffd\nc\td"

    @given(st.text(max_size=50, alphabet="aä🙂\n"), st.integers(200, 1000))
    def test_bounded_in_bytes(self, part: str, times: int) -> None:
        text = part * times
        assert len(clean_message(text).encode()) <= MAX_MESSAGE_BYTES

    def test_says_that_it_was_cut(self) -> None:
        assert clean_message("x" * 50_000).endswith("too long.)")
