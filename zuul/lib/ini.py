"""IniFile: the dialect of Python 2's ConfigParser, with the line of every option.

The standard library's parser keeps no line numbers and stops at some mistakes; an operator wants
all of them at once and where they stand, so the dialect is read here. What it has of its own:

* `=` and `:` divide option and value; option names are case-insensitive, section names are not;
* `#` and `;` start a comment line, `;` after white space a comment inside a line;
* an indented line continues the value above it, also after empty lines and comments;
* a section or option that comes again adds to the first, the last value wins;
* `%(option)s` is replaced from the section or [DEFAULT], `%%` is a percent sign, and any other
  percent sign stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from zuul.lib.problems import Problem

DEFAULT_SECTION = "DEFAULT"
#: how often a replaced text may itself hold something to replace
MAX_INTERPOLATION_DEPTH = 10
#: longest value that interpolation may build
MAX_VALUE_LENGTH = 1 << 16

_HEADER = re.compile(r"\[([^]]+)\]")
_OPTION = re.compile(r"([^:=\s][^:=]*?)\s*[:=]\s*(.*)$")
_INLINE_COMMENT = re.compile(r"(?:^|\s);.*$")
_REFERENCE = re.compile(r"%(?:%|\(([^)]*)\)s)")


@dataclass(frozen=True, slots=True)
class Option:
    """One value as written, before interpolation."""

    value: str
    line: int


@dataclass(slots=True)
class Section:
    """The options under one header, by lower-case name."""

    name: str
    #: of the first header with this name
    line: int
    options: dict[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IniFile:
    """A file's sections, in file order; [DEFAULT] is kept apart."""

    source: str
    sections: Mapping[str, Section]
    defaults: Mapping[str, Option]

    def find(self, section: str, key: str) -> Option | None:
        """The option as written, from the section or [DEFAULT]."""
        found = self.sections[section].options.get(key) if section in self.sections else None
        return found or self.defaults.get(key)

    def find_value(self, section: str, key: str) -> str | None:
        """The option with its references replaced; ValueError says what cannot be replaced."""
        option = self.find(section, key)
        if option is None:
            return None
        return self._interpolate(section, option.value, MAX_INTERPOLATION_DEPTH)

    def _interpolate(self, section: str, text: str, depth: int) -> str:
        if depth == 0:
            raise ValueError("%(...)s references are nested too deeply")

        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return "%"
            option = self.find(section, name.lower())
            if option is None:
                raise ValueError(f"%({name})s names no option of [{section}] or [DEFAULT]")
            return self._interpolate(section, option.value, depth - 1)

        value = _REFERENCE.sub(replace, text)
        if len(value) > MAX_VALUE_LENGTH:
            raise ValueError(f"is longer than {MAX_VALUE_LENGTH} characters")
        return value


def parse_ini(text: str, source: str) -> tuple[IniFile, list[Problem]]:
    """Read `text` to the end, whatever is wrong with it; `source` names it in the problems."""
    return _Reader(source).read(text)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.sections: dict[str, Section] = {}
        self.defaults = Section(DEFAULT_SECTION, 0)
        self.problems: list[Problem] = []
        self.section: Section | None = None
        self.key = ""

    def read(self, text: str) -> tuple[IniFile, list[Problem]]:
        # split("\n"), not splitlines(): a form feed or U+2028 inside a value ends no line.
        for number, line in enumerate(text.split("\n"), start=1):
            self._read_line(number, line.rstrip())
        return IniFile(self.source, self.sections, self.defaults.options), self.problems

    def _read_line(self, number: int, line: str) -> None:
        content = line.lstrip()
        if not content or content[0] in "#;":
            return
        indented = content != line
        if indented and self.section is not None and self.key:
            self._continue_value(self.section, content)
        elif not indented and (header := _HEADER.match(line)):
            self._open_section(header.group(1), number)
        elif not indented and (option := _OPTION.match(line)):
            self._set_option(option.group(1), option.group(2), number)
        else:
            self._complain(number, "neither a [section] nor an option = value")

    def _open_section(self, name: str, number: int) -> None:
        self.key = ""
        if name == DEFAULT_SECTION:
            self.section = self.defaults
        else:
            self.section = self.sections.setdefault(name, Section(name, number))

    def _set_option(self, name: str, value: str, number: int) -> None:
        if self.section is None:
            self._complain(number, f"option {name!r} stands before the first [section]")
            return
        self.key = name.lower()
        value = _INLINE_COMMENT.sub("", value).strip()
        self.section.options[self.key] = Option("" if value == '""' else value, number)

    def _continue_value(self, section: Section, content: str) -> None:
        before = section.options[self.key]
        section.options[self.key] = Option(f"{before.value}\n{content}", before.line)

    def _complain(self, number: int, text: str) -> None:
        self.problems.append(Problem(self.source, number, "", text))
