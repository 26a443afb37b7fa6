"""What is said to a Jenkins about nodes, and what it says of them. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from nodepool.config.values import JenkinsConfig
from nodepool.core.commands import RegisterNode
from nodepool.core.events import Computer
from nodepool.errors import TargetError
from zuul.lib.jenkins.computers import OFFLINE_MESSAGE as SPENT

SLAVE = "hudson.slaves.DumbSlave$DescriptorImpl"
_SSH = "hudson.plugins.sshslaves.SSHLauncher"
#: Jenkins is not told the node's host key, which nodepool has looked at (contract 9.1, era D)
_TRUSTING = "hudson.plugins.sshslaves.verifiers.NonVerifyingKeyVerificationStrategy"
#: what no node can be called: paths that lead elsewhere, and the master's own
_RESERVED = frozenset(("", ".", "..", "(master)", "(built-in)"))
MOST_SAID = 200
#: what nodepool writes on a node that a build uses up; as the bridge, and the Gearman plugin
OFFLINE_WORDS = f"{SPENT} (nodepool: it serves one build)"
_DECLARATION = re.compile(rb"""^(\s*<\?xml\s[^>]*?version\s*=\s*)(['"])1\.1\2""")
_NOT_TEXT = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
#: where error pages have their reason, the best first: what stands before it, and behind it
_REASONS = (
    (re.compile(r"<h1>\s{0,20}Error\s{0,20}</h1>\s{0,20}<p>", re.IGNORECASE), "</p>"),
    (re.compile("<h2>", re.IGNORECASE), "</h2>"),
    (re.compile("<title>", re.IGNORECASE), "</title>"),
)
_MOST_PAGE, _MOST_REASON = 100_000, 2000


def is_possible(nodename: str) -> bool:
    """Whether a node can be called so."""
    return nodename not in _RESERVED


def check_name(nodename: str) -> None:
    """Raises TargetError for what no node can be called."""
    if not is_possible(nodename):
        raise TargetError(f"no node can be called {nodename!r}")


def description(label: str) -> str:
    return f"Dynamic single use {label} node"


def node_form(call: RegisterNode, config: JenkinsConfig) -> dict[str, str]:
    """The form of a node: new, or configured anew."""
    node = call.node
    launcher: dict[str, Any] = {
        "stapler-class": _SSH,
        "host": node.machines[0].ip or "",
        "port": 22,
        "sshHostKeyVerificationStrategy": {"stapler-class": _TRUSTING},
    }
    if config.credentials_id:
        launcher["credentialsId"] = config.credentials_id
    else:
        launcher["username"] = call.username
        launcher["privatekey"] = call.private_key
    wanted = {
        # old masters read the name here alone, new ones in the form alone
        "name": node.nodename,
        "type": SLAVE,
        "nodeDescription": description(node.label),
        "numExecutors": 1,
        "remoteFS": call.user_home,
        "labelString": call.label or "",
        "mode": "EXCLUSIVE",
        "retentionStrategy": {"stapler-class": "hudson.slaves.RetentionStrategy$Always"},
        "nodeProperties": {"stapler-class-bag": "true"},
        "launcher": launcher,
    }
    return {"name": node.nodename, "type": SLAVE, "json": json.dumps(wanted)}


def parse_computers(found: Mapping[str, Any]) -> dict[str, Computer]:
    """`computer/api/json` -> all computers by name. Raises TargetError for less than that.

    An old master without executors does not list itself, so that there may be none.
    """
    return {
        name: Computer(idle, offline, _is_spent(row))
        for name, idle, offline, row in computer_rows(found)
    }


def computer_rows(
    found: Mapping[str, Any],
) -> Iterator[tuple[str, bool, bool, Mapping[str, Any]]]:
    """Name, idle, offline and the rest of each; TargetError as soon as there is less."""
    rows = found.get("computer")
    if not isinstance(rows, list):
        raise TargetError("shows no computers: a permission may be missing")
    if not rows and found.get("totalExecutors") != 0:
        raise TargetError("shows no computers, though there are executors")
    for row in rows:
        if not isinstance(row, dict):
            raise TargetError("shows a computer that is no object")
        name, idle, offline = row.get("displayName"), row.get("idle"), row.get("offline")
        if not (isinstance(name, str) and isinstance(idle, bool) and isinstance(offline, bool)):
            raise TargetError("shows a computer without displayName, idle or offline")
        yield name, idle, offline, row


def _is_spent(row: Mapping[str, Any]) -> bool:
    """Marked by the bridge, the plugin or ourselves; old masters do not tell who marked a node."""
    reason = row.get("offlineCauseReason")
    known = not isinstance(reason, str) or SPENT in reason
    return row.get("temporarilyOffline") is True and known


def with_label(config_xml: bytes, label: str) -> bytes:
    """A node's config.xml with another label, and every other byte as it is.

    Raises TargetError. The label element is the root's own: launchers may have some, too.
    """
    # Jenkins writes version 1.1, which expat does not know; the length stays the same.
    text = _DECLARATION.sub(rb"\g<1>\g<2>1.0\g<2>", config_xml, count=1)
    places = _Places()
    try:
        places.parser.Parse(text, True)
    except expat.ExpatError as error:
        raise TargetError(f"config.xml is no XML: {error}") from error
    if not places.is_node:
        raise TargetError("config.xml is no node's: it has no numExecutors")
    wanted = b"<label>" + escape(label).encode() + b"</label>"
    if places.label is None:
        at = places.end
        return config_xml[:at] + wanted + config_xml[at:]
    start, end = places.label
    tag_end = config_xml.index(b">", start)
    is_empty = config_xml[tag_end - 1 : tag_end] == b"/"
    end = tag_end + 1 if is_empty else config_xml.index(b">", end) + 1
    return config_xml[:start] + wanted + config_xml[end:]


class _Places:
    """Where the root's <label> begins and its end tag is, and the root's end tag."""

    def __init__(self) -> None:
        self.is_node = False
        self.label: tuple[int, int] | None = None
        self.end = 0
        self._path: list[str] = []
        self._start = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._finish
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _doctype(self, *_arguments: object) -> None:
        raise TargetError("config.xml has a document type, which a node's has not")

    def _begin(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name)
        if self._path[1:] == ["label"]:
            self._start = self.parser.CurrentByteIndex
        elif self._path[1:] == ["numExecutors"]:
            self.is_node = True

    def _finish(self, _name: str) -> None:
        at = self.parser.CurrentByteIndex
        if self._path[1:] == ["label"]:
            self.label = (self._start, at)
        self._path.pop()
        if not self._path:
            self.end = at


def reason_of(page: str) -> str:
    """What an error page says to people, in one line of bounded length."""
    for before, behind in _REASONS:
        if match := before.search(page, 0, _MOST_PAGE):
            piece = page[match.end() : match.end() + _MOST_REASON].partition(behind)[0]
            words = html.unescape(_NOT_TEXT.sub(" ", piece))
            said = " ".join("".join(c if c.isprintable() else " " for c in words).split())
            if said:
                return said[:MOST_SAID]
    return ""
