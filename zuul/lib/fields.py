"""FieldReader: typed reads from one section of an ini file.

A read never fails: a bad value leaves a Problem and gives the default, so that one pass over a file
finds everything that is wrong with it. An option with an empty value counts as not set.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from zuul.lib.ini import IniFile
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret

TRUE_WORDS = frozenset({"1", "yes", "true", "on"})
FALSE_WORDS = frozenset({"0", "no", "false", "off"})


class FieldReader:
    """Reads one section; remembers which options were asked for."""

    def __init__(
        self,
        ini: IniFile,
        section: str,
        problems: list[Problem],
        *,
        home: Path | None = None,
    ) -> None:
        self._ini = ini
        self._section = section
        self._problems = problems
        self._home = home
        self._asked: set[str] = set()

    @property
    def present(self) -> bool:
        return self._section in self._ini.sections

    def find_text(self, key: str) -> str | None:
        self._asked.add(key.lower())
        try:
            value = self._ini.find_value(self._section, key.lower())
        except ValueError as error:
            self.complain(key, str(error))
            return None
        return value or None

    def text(self, key: str, default: str) -> str:
        value = self.find_text(key)
        return default if value is None else value

    def require_text(self, key: str) -> str:
        """The value, or "" and a problem."""
        before = len(self._problems)
        value = self.find_text(key)
        if value is None and len(self._problems) == before:
            self.complain(key, "is required")
        return value or ""

    def require_host(self, key: str) -> str:
        return self._host(key, self.require_text(key))

    def host(self, key: str, default: str) -> str:
        return self._host(key, self.text(key, default))

    def find_host(self, key: str) -> str | None:
        value = self.find_text(key)
        return None if value is None else self._host(key, value)

    def url(
        self, key: str, default: str, schemes: tuple[str, ...] = ("http://", "https://")
    ) -> str:
        """A URL of one of the schemes, without its trailing slashes."""
        value = self.text(key, default).rstrip("/")
        if value and not value.startswith(schemes):
            self.complain(key, f"expected an {' or '.join(schemes)} URL, not {value!r}")
        elif any(character.isspace() for character in value):
            self.complain(key, f"a URL has no white space in it: {value!r}")
        else:
            try:
                urlsplit(value)
            except ValueError as error:
                self.complain(key, f"{value!r} is no URL: {error}")
        return value

    def integer(
        self, key: str, default: int, *, least: int = 0, most: int = 2**31 - 1, unit: str = ""
    ) -> int:
        """A whole number between `least` and `most`, both included."""
        value = self.find_text(key)
        if value is None:
            return default
        what = " ".join(filter(None, ("a whole number", unit and f"of {unit}")))
        try:
            number = int(value)
        except ValueError:
            self.complain(key, f"expected {what}, not {value!r}")
            return default
        if not least <= number <= most:
            self.complain(key, f"expected {what} from {least} to {most}, not {number}")
            return default
        return number

    def port(self, key: str, default: int, *, any_free: bool = False) -> int:
        """A TCP port; with `any_free` 0 is allowed and lets the system choose one."""
        return self.integer(key, default, least=0 if any_free else 1, most=65535)

    def boolean(self, key: str, default: bool) -> bool:
        value = self.find_text(key)
        if value is None:
            return default
        word = value.lower()
        if word not in TRUE_WORDS and word not in FALSE_WORDS:
            self.complain(key, f"expected true or false, not {value!r}")
            return default
        return word in TRUE_WORDS

    def path(self, key: str, default: str) -> Path:
        return self._path(self.text(key, default))

    def find_path(self, key: str) -> Path | None:
        value = self.find_text(key)
        return None if value is None else self._path(value)

    def find_secret(self, key: str) -> Secret | None:
        value = self.find_text(key)
        return None if value is None else Secret(value)

    def complain(self, key: str, text: str) -> None:
        self._problems.append(self.problem(key, text))

    def problem(self, key: str, text: str) -> Problem:
        """A problem that stands at the option, or at the section if it lacks the option."""
        option = self._ini.find(self._section, key.lower())
        section = self._ini.sections.get(self._section)
        line = option.line if option else section.line if section else 0
        return Problem(self._ini.source, line, f"{self._section}.{key}", text)

    def unknown(self, explain: Callable[[str], str]) -> list[Problem]:
        """A problem for each option nobody asked for; `explain` gives its text."""
        section = self._ini.sections.get(self._section)
        names = section.options if section else ()
        return [self.problem(name, explain(name)) for name in names if name not in self._asked]

    def _host(self, key: str, value: str) -> str:
        if any(character.isspace() or character in "/@" for character in value):
            self.complain(key, f"expected a host name or address, not {value!r}")
        elif value.startswith("-"):
            self.complain(key, f"a host name does not begin with '-': {value!r}")
        return value

    def _path(self, value: str) -> Path:
        if self._home is not None and (value == "~" or value.startswith("~/")):
            return self._home / value[2:]
        return Path(os.path.expanduser(value))
