"""TargetComputers: the requests for all computers of a target with their descriptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from nodepool.alien_computers import ListedComputer
from nodepool.drivers.jenkins_rows import computer_rows
from nodepool.drivers.target_builds import Do
from nodepool.errors import TargetError, TargetLacks
from zuul.lib.jenkins.session import JenkinsSession

#: one request tells all of them
TREE = "computer[displayName,idle,offline,description],totalExecutors"
#: what nodepools give; other names would be expressions in the path of a label
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class TargetComputers:
    """Old masters tell descriptions by another request, for one computer each."""

    def __init__(self, target: str, session: JenkinsSession, do: Do) -> None:
        self._target = target
        self._session = session
        self._do = do

    def list(self) -> list[ListedComputer]:
        """All of them, or TargetError."""
        query = {"tree": TREE}
        found = self._do(
            "ListNodesTask", lambda: self._session.get_json("computer/api/json", query)
        )
        try:
            return parse_listed(found)
        except TargetError as error:
            raise TargetError(f"target {self._target} {error}") from error

    def described(self, computer: ListedComputer) -> ListedComputer:
        """With its description, if the master tells it: every computer is a label, too."""
        name = computer.name
        if computer.description is not None or not _PLAIN.fullmatch(name):
            return computer
        path = f"label/{quote(name)}/api/json"
        query = {"tree": "nodes[nodeName,nodeDescription]"}
        try:
            found = self._do("NodeExistsTask", lambda: self._session.get_json(path, query))
        except TargetLacks:
            return computer  # it left meanwhile
        return replace(computer, description=description_of(name, found))


def parse_listed(found: Mapping[str, Any]) -> list[ListedComputer]:
    """Raises TargetError for less than all of them."""
    return [
        ListedComputer(name, idle, offline, _text(row, "description"))
        for name, idle, offline, row in computer_rows(found)
    ]


def description_of(name: str, found: Mapping[str, Any]) -> str | None:
    """From the nodes of the label of this name; None: it is not among them."""
    rows = found.get("nodes")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("nodeName") == name:
            return _text(row, "nodeDescription") or ""
    return None


def _text(row: Mapping[str, Any], key: str) -> str | None:
    """None: it is not told."""
    if key not in row:
        return None
    value = row[key]
    return value if isinstance(value, str) else ""
