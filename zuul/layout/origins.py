"""Where the rules of a job were written: what `zuul layout jobs` points at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zuul.layout.jobs import JobEntry
from zuul.lib.yaml_document import Document
from zuul.model.matchers import Obstacle, Rule

#: the field of Job that holds a rule
_FIELDS = {Rule.BRANCH: "branches", Rule.FILES: "files", Rule.SKIP_IF: "skip_if"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of a layout stands."""

    #: the file as the caller named it
    file: str
    #: 1-based
    line: int
    #: path inside the file, like ``jobs[2].skip-if[0]``
    key: str
    #: name of the entry of `jobs`; a regular expression gives its rules to other jobs
    entry: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}"


class Origins:
    """The entries of `jobs` of one sound layout, and their document."""

    def __init__(self, document: Document, entries: Sequence[JobEntry]) -> None:
        self._document = document
        self._entries = entries

    def find(self, job: str, obstacle: Obstacle) -> Place | None:
        """The place of the rule that a job of this name has; None if no entry states it."""
        found = self._stating(job, _FIELDS[obstacle.rule])
        if found is None:
            return None
        index, entry = found
        key, node = self._document.fields(entry.node)[obstacle.rule.value]
        path = f"jobs[{index}].{obstacle.rule.value}"
        if obstacle.rule is Rule.SKIP_IF:
            rules = self._document.one_or_more(node)
            if rules != [node]:
                key, path = rules[obstacle.index], f"{path}[{obstacle.index}]"
        return Place(self._document.source, self._document.line(key), path, entry.name)

    def _stating(self, job: str, field: str) -> tuple[int, JobEntry] | None:
        """The entry whose rule the job has: its own, else the last expression above it."""
        last: tuple[int, JobEntry] | None = None
        for index, entry in enumerate(self._entries):
            if entry.pattern is not None and entry.pattern.match(job) and entry.stated.get(field):
                last = (index, entry)
            elif entry.name == job:
                # expressions below the entry give it nothing
                return (index, entry) if entry.stated.get(field) else last
        return last
