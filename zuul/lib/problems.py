"""What is wrong with a file that a person wrote: the one error all three packages share.

A reader never stops at the first mistake: it collects Problems and raises one ConfigError with all
of them, so that an operator mends a file in one go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, where it stands and what was expected instead."""

    #: the file as the operator named it
    source: str
    #: 1-based, 0 if the mistake is the absence of something in the whole file
    line: int
    #: path inside the file, like ``pipelines[2].trigger.gerrit[0].event`` or ``gearman.port``
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(Exception):
    """A file cannot be used; `problems` lists all that is wrong with it, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
