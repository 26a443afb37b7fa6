"""The clone map: which project goes into which folder of the workspace (contract zuul.md 11.4).

Where a clone goes is worked out from names that others chose: no destination leaves the workspace,
and none lies in the own files of another clone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zuul.errors import CloneError, RequestInvalid
from zuul.lib.git_names import check_project
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.yaml_document import NULL, Document
from zuul.lib.yaml_fields import Fields

#: the workspace itself
ROOT = "."


@dataclass(frozen=True, slots=True)
class CloneRule:
    """One entry: projects whose whole name matches go to the destination."""

    name: re.Pattern[str]
    #: may hold \\1 and the like
    destination: str
    line: int


@dataclass(frozen=True, slots=True)
class CloneMap:
    """The rules of one file. Without any, each project goes where its name says."""

    rules: tuple[CloneRule, ...] = ()
    source: str = ""

    def destinations(self, projects: Iterable[str]) -> dict[str, str]:
        """The folder of each project, relative to the workspace, in the order given.

        Raises CloneError if a project has two, or shares one with another, or if it is no place
        for a clone.
        """
        found: dict[str, str] = {}
        owners: dict[str, str] = {}
        for project in dict.fromkeys(projects):
            place = self._destination(project)
            if place in owners:
                text = f"{project} and {owners[place]} would both go to {place}"
                raise CloneError(text, project=project)
            owners[place] = project
            found[project] = place
        return found

    def _destination(self, project: str) -> str:
        matches = [
            (rule, matched)
            for rule in self.rules
            if (matched := rule.name.fullmatch(project)) is not None
        ]
        if not matches:
            return _checked(project, project)
        if len(matches) > 1:
            lines = " and ".join(str(rule.line) for rule, _ in matches)
            text = f"{self.source}: the rules of lines {lines} both match {project}"
            raise CloneError(text, project=project)
        rule, matched = matches[0]
        return _checked(matched.expand(rule.destination), project)


def _checked(place: str, project: str) -> str:
    """The destination, normalised. Raises CloneError."""
    normal = posixpath.normpath(place.lstrip("/") or ROOT)
    if normal == ROOT:
        return ROOT
    try:
        # below a folder, as a dot at its begin is the operator's choice
        check_project(f"workspace/{normal}", "destination")
    except RequestInvalid as error:
        text = f"{project} cannot go to {place!r}: {error}"
        raise CloneError(text, project=project) from error
    return normal


def read_clonemap(path: Path) -> CloneMap:
    """Raises ConfigError with all problems of the file."""
    try:
        text = path.expanduser().read_bytes().decode("utf-8-sig")
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
        raise ConfigError([Problem(str(path), 0, "", text)]) from error
    except UnicodeDecodeError as error:
        text = f"is not UTF-8 at byte {error.start}"
        raise ConfigError([Problem(str(path), 0, "", text)]) from error
    return parse_clonemap(text, str(path))


def parse_clonemap(text: str, source: str) -> CloneMap:
    """`clonemap: [{name: REGEX, dest: TEMPLATE}]`. Raises ConfigError with all problems."""
    document = Document(text, source)
    top = Fields(document, document.root, "a map with clonemap")
    node = top.take("clonemap")
    rules = []
    if node is None:
        top.missing("clonemap")
    elif node.tag != NULL:
        for item in document.sequence(node, "a list of rules"):
            rules.append(_read_rule(document, Fields(document, item, "a map of name and dest")))
    top.finish()
    if not document.sound:
        raise ConfigError(document.problems())
    return CloneMap(tuple(rule for rule in rules if rule is not None), source)


def _read_rule(document: Document, fields: Fields) -> CloneRule | None:
    name = fields.require_text("name")
    destination = fields.require_text("dest")
    fields.finish()
    if not name or not destination:
        return None
    try:
        pattern = re.compile(name)
        # says whether there are the groups that the destination names
        pattern.sub(destination, "")
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        document.complain(fields.node, f"is not a rule: {error}")
        return None
    return CloneRule(pattern, destination, document.line(fields.node))
