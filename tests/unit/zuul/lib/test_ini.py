"""The dialect of Python 2's ConfigParser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.ini import parse_ini


def value(text: str, key: str = "key", section: str = "s") -> str | None:
    ini, problems = parse_ini(text, "file")
    assert problems == []
    return ini.find_value(section, key)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("key=a", "a"),
        ("key = a", "a"),
        ("key: a", "a"),
        ("KEY=a", "a"),
        ("key=a=b", "a=b"),
        ("key=a ; comment", "a"),
        ("key=a;b", "a;b"),
        ("key=a # no comment", "a # no comment"),
        ("key=", ""),
        ('key=""', ""),
        ("key= ; comment", ""),
        ('key="a"', '"a"'),
        ("key=100%", "100%"),
        ("key=%%h", "%h"),
        ("key=a%20b", "a%20b"),
        ("key=\u2028x", "x"),
    ],
)
def test_values(line, expected):
    assert value(f"[s]\n{line}\n") == expected


def test_a_value_goes_on_in_indented_lines():
    assert value("[s]\nkey=a\n  b\n\n# comment\n\tc\nother=d\n") == "a\nb\nc"


def test_the_last_value_wins_and_sections_add_up():
    text = "[s]\nkey=1\nother=2\n[t]\n[s]\nkey=3\n"
    assert value(text) == "3"
    assert value(text, "other") == "2"


def test_text_after_a_header_is_passed_over():
    assert value("[s] ; comment\nkey=1\n") == "1"


def test_section_names_are_case_sensitive():
    assert value("[S]\nkey=1\n") is None


class TestInterpolation:
    def test_from_the_section_and_the_defaults(self):
        text = "[DEFAULT]\nroot=/srv\nname=x\n[s]\nname=y\nkey=%(ROOT)s/%(name)s\n"
        assert value(text) == "/srv/y"

    def test_nested(self):
        assert value("[s]\na=1\nb=%(a)s2\nkey=%(b)s3\n") == "123"

    def test_defaults_are_options_of_every_section(self):
        assert value("[DEFAULT]\nkey=1\n[s]\n") == "1"

    @pytest.mark.parametrize("text", ["key=%(key)s", "key=%(nope)s", "a=%(key)s\nkey=%(a)s"])
    def test_what_cannot_be_replaced(self, text):
        with pytest.raises(ValueError, match=r"nested too deeply|names no option"):
            value(f"[s]\n{text}\n")

    def test_values_do_not_explode(self):
        lines = [f"k{n}=" + f"%(k{n - 1})s" * 50 for n in range(1, 8)]
        with pytest.raises(ValueError, match="is longer than"):
            value("[s]\nk0=x\n" + "\n".join(lines) + "\nkey=%(k7)s\n")


def test_problems_name_their_lines():
    _, problems = parse_ini("a=1\n[s]\n  indented=1\nnonsense\n[unclosed\n", "file")
    assert [(each.line, each.text) for each in problems] == [
        (1, "option 'a' stands before the first [section]"),
        (3, "neither a [section] nor an option = value"),
        (4, "neither a [section] nor an option = value"),
        (5, "neither a [section] nor an option = value"),
    ]


def test_options_know_their_lines():
    ini, _ = parse_ini("\n[s]\na=1\n b\nc=2\n", "file")
    assert [option.line for option in ini.sections["s"].options.values()] == [3, 5]
    assert ini.sections["s"].line == 2


@given(st.text())
def test_no_text_breaks_the_reader(text):
    ini, _ = parse_ini(text, "file")
    for section in ini.sections.values():
        for key in section.options:
            try:
                ini.find_value(section.name, key)
            except ValueError:
                continue
