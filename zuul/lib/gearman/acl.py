"""Who may do what on a Gearman server, by the name in a client's certificate. Pure.

A file has a section for each name (the subject's CN), and what is not written is not allowed:

    [merger01.example.org]
    register = merger:*

    [zuul.example.org]
    register = zuul:*
    submit = build:*, stop:*, set_description:*, merger:*
    cancel = build:*, merger:*
    admin = status

`register`, `submit` and `cancel` take patterns of function names, divided by commas or lines: `*`
is any text, `?` one character, `[...]` one of several. `admin` takes administrative commands.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from zuul.lib.fields import FieldReader
from zuul.lib.ini import IniFile, parse_ini
from zuul.lib.problems import ConfigError, Problem

#: administrative commands that want a right; `version` tells nothing, `cancel` has its own
ADMIN_COMMANDS: Final = ("status", "workers")
MAX_PATTERN_LENGTH: Final = 1024

_DIVIDER = re.compile(r"[,\n]")


class FunctionNames:
    """A set of function names, given by patterns."""

    __slots__ = ("_match", "patterns")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._match = re.compile("|".join(map(fnmatch.translate, self.patterns)) or r"(?!)").match

    def __contains__(self, name: bytes) -> bool:
        return self._match(name.decode(errors="surrogateescape")) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionNames) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def __repr__(self) -> str:
        return f"FunctionNames({self.patterns!r})"


@dataclass(frozen=True, slots=True)
class Rights:
    """What one connection may do."""

    register: FunctionNames = field(default_factory=FunctionNames)
    submit: FunctionNames = field(default_factory=FunctionNames)
    cancel: FunctionNames = field(default_factory=FunctionNames)
    admin: frozenset[str] = frozenset()


_ANY: Final = FunctionNames(("*",))
EVERYTHING: Final = Rights(_ANY, _ANY, _ANY, frozenset(ADMIN_COMMANDS))
NOTHING: Final = Rights()


@dataclass(frozen=True, slots=True)
class Acl:
    """The rights of all certificates; one that is not listed has none."""

    rights: Mapping[str, Rights]

    def rights_of(self, certificate: str) -> Rights:
        """By the certificate's common name."""
        return self.rights.get(certificate, NOTHING)


def parse_acl(text: str, source: str) -> Acl:
    """The text of an access list; raises ConfigError with every mistake of it."""
    ini, problems = parse_ini(text, source)
    rights = {name: _parse_rights(ini, name, problems) for name in ini.sections}
    if ini.defaults:
        line = min(option.line for option in ini.defaults.values())
        problems.append(Problem(source, line, "DEFAULT", "rights are not given to everybody"))
    if problems:
        raise ConfigError(problems)
    return Acl(rights)


def _parse_rights(ini: IniFile, name: str, problems: list[Problem]) -> Rights:
    reader = FieldReader(ini, name, problems)
    rights = Rights(
        _parse_names(reader, "register"),
        _parse_names(reader, "submit"),
        _parse_names(reader, "cancel"),
        _parse_commands(reader),
    )
    known = "expected one of register, submit, cancel, admin"
    problems += reader.unknown(lambda key: f"is no right: {known}")
    return rights


def _parse_names(reader: FieldReader, key: str) -> FunctionNames:
    patterns = _parse_list(reader, key)
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN_LENGTH:
            reader.complain(key, f"a pattern is longer than {MAX_PATTERN_LENGTH} characters")
            return FunctionNames()
    return FunctionNames(patterns)


def _parse_commands(reader: FieldReader) -> frozenset[str]:
    commands = _parse_list(reader, "admin")
    for command in commands:
        if command not in ADMIN_COMMANDS:
            expected = ", ".join(ADMIN_COMMANDS)
            reader.complain("admin", f"unknown command {command!r}, expected one of {expected}")
    return frozenset(commands)


def _parse_list(reader: FieldReader, key: str) -> list[str]:
    words = map(str.strip, _DIVIDER.split(reader.text(key, "")))
    return [word for word in words if word]
