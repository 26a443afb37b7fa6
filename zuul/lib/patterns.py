"""Regular expressions of the layout, matched within a time box.

Whoever writes a comment or names a branch chooses the text that an operator's pattern meets; with
a backtracking matcher a careless pattern then takes for ever. A pattern is matched by `re` where
its shape promises few steps, else by the `regex` package, which can be given a limit of time and
has the same look-arounds. A match that runs out of time counts as none.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

import regex

from zuul.lib.pattern_shape import Shape, find_shape

log = logging.getLogger("zuul.Patterns")

TIMEOUT_SECONDS = 0.1
#: a longer text matches nothing
MAX_TEXT = 2**20
#: paths that `re` may try without a time box: some milliseconds
MAX_STEPS = 100_000.0


class PatternError(ValueError):
    """The text is not a regular expression."""


class Pattern:
    """One regular expression; equal to any other of the same text. Safe to share by threads."""

    __slots__ = ("_compiled", "_last", "_timed", "_warned", "pattern", "shape", "source")

    def __init__(self, pattern: str, source: str = "") -> None:
        """`source` says in the log where the pattern was written. Raises PatternError."""
        self.pattern = pattern
        self.source = source
        self._compiled, self.shape = _compile(pattern)
        self._timed: Any = None
        self._warned = False
        #: the last answer: the same comment meets the same pattern in several filters
        self._last: tuple[str, bool, bool] = ("", False, False)
        if self.shape.degree is None:
            self._timed = self._compile_timed()

    def match(self, text: str) -> bool:
        """Whether it matches at the start of `text`; False if it ran out of its time box."""
        if not text.startswith(self.shape.prefix):
            return False
        return self._answer(text, search=False)

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in `text`; False if it ran out of its time box."""
        if self.shape.needle not in text:
            return False
        return self._answer(text, search=True)

    def _answer(self, text: str, *, search: bool) -> bool:
        if self.shape.steps(len(text), search=search) <= MAX_STEPS:
            found = self._compiled.search(text) if search else self._compiled.match(text)
            return found is not None
        last_text, last_search, last_answer = self._last
        if text == last_text and search == last_search and text:
            return last_answer
        answer = self._timed_answer(text, search=search)
        self._last = (text, search, answer)
        return answer

    def _timed_answer(self, text: str, *, search: bool) -> bool:
        if len(text) > MAX_TEXT:
            self._warn(f"was given a text of {len(text)} characters")
            return False
        if self._timed is None:
            try:
                self._timed = self._compile_timed()
            except PatternError as error:
                self._warn(str(error))
                return False
        how = self._timed.search if search else self._timed.match
        try:
            return how(text, timeout=TIMEOUT_SECONDS) is not None
        except TimeoutError:
            self._warn(f"took longer than {TIMEOUT_SECONDS} s on {len(text)} characters")
            return False

    def _compile_timed(self) -> Any:
        try:
            return regex.compile(self.pattern, regex.VERSION0)
        except regex.error as error:
            raise PatternError(f"cannot be matched within a time box: {error}") from error

    def _warn(self, why: str) -> None:
        if self._warned:
            return
        self._warned = True
        log.warning(
            "A regular expression gave up, which counts as no match: %s"
            " (pattern=%r source=%s); further ones of this pattern are not logged",
            why,
            self.pattern,
            self.source or "unknown",
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return self.pattern == other.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def __reduce__(self) -> tuple[type[Pattern], tuple[str, str]]:
        return Pattern, (self.pattern, self.source)


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> tuple[re.Pattern[str], Shape]:
    try:
        return re.compile(pattern), find_shape(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is not a regular expression: {error}") from error
