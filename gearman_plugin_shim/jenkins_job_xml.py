"""Declaring parameters in a job's config.xml, and leaving every other byte as it is. Pure.

REST passes only parameters that a job declares; this adds the ones Zuul sends. A config.xml belongs
to Jenkins' plugins and to the people who read its diffs, so it is edited as text: the parser
is only asked where things are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

#: what Zuul sends with builds, and what operators' parameter functions add
ZUUL_PARAMETERS: Final = (
    *("ZUUL_UUID", "ZUUL_PROJECT", "ZUUL_PIPELINE", "ZUUL_URL", "ZUUL_BRANCH", "ZUUL_CHANGES"),
    *("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE_IDS", "ZUUL_CHANGE", "ZUUL_PATCHSET"),
    *("ZUUL_REFNAME", "ZUUL_OLDREV", "ZUUL_NEWREV", "ZUUL_VOTING", "ZUUL_NODE"),
    *("BASE_LOG_PATH", "LOG_PATH", "OFFLINE_NODE_WHEN_COMPLETE"),
)
#: keeps line ends in values
TEXT: Final = "hudson.model.TextParameterDefinition"
#: Hudson 2 drops parameters of a kind that it does not know
STRING: Final = "hudson.model.StringParameterDefinition"
_PROPERTY: Final = "hudson.model.ParametersDefinitionProperty"
_ENTRY: Final = "parametersDefinitionProperties"
_DECLARATION: Final = re.compile(rb"""^(\s*<\?xml\s[^>]*?version\s*=\s*)(['"])1\.1\2""")
_INDENT: Final = re.compile(rb"[ \t]*\Z")


class BadJobXml(ValueError):
    """The text is no config.xml of a job."""


@dataclass(slots=True)
class _Places:
    """Byte positions in a config.xml; None: it has no such element."""

    root: str = ""
    #: of `<properties/>` or `<properties>`: start of the tag, end of the tag, start of its end tag
    properties: tuple[int, int, int] | None = None
    #: Hudson 2 keeps them in <project-properties>, and repeats them by reference in <properties>
    definitions: tuple[int, int, int] | None = None
    #: where Hudson 2 wants the property of a job that has no parameters yet
    empty_list: tuple[int, int, int] | None = None
    #: start of the end tag of the root
    root_end: int = 0


def add_parameters(
    config_xml: bytes, names: Sequence[str] = ZUUL_PARAMETERS, *, kind: str = TEXT
) -> bytes:
    """`config_xml` with a parameter for each of `names` that it lacks; itself if none.

    `kind` is TEXT, or STRING for masters that know no other. Raises BadJobXml.
    """
    places, declared = _read(config_xml)
    missing = [name for name in names if name not in declared]
    if not missing:
        return config_xml
    newline = b"\r\n" if b"\r\n" in config_xml else b"\n"
    if places.definitions is not None:
        return _insert(config_xml, places.definitions, _definitions(missing, kind), newline)
    if places.empty_list is not None:
        return _insert(config_xml, places.empty_list, _property(missing, kind), newline)
    if places.properties is not None:
        return _insert(config_xml, places.properties, _property(missing, kind), newline)
    lines = ["  <properties>", *_property(missing, kind), "  </properties>"]
    at = places.root_end
    if config_xml[at : at + 2] != b"</":
        raise BadJobXml("config.xml is empty")
    return config_xml[:at] + _joined(lines, newline) + newline + config_xml[at:]


def declared_parameters(config_xml: bytes) -> frozenset[str]:
    """Names of the parameters that a config.xml declares. Raises BadJobXml."""
    return frozenset(_read(config_xml)[1])


def _read(config_xml: bytes) -> tuple[_Places, set[str]]:
    # Jenkins writes version 1.1, which expat does not know; the length stays the same.
    text = _DECLARATION.sub(rb"\g<1>\g<2>1.0\g<2>", config_xml, count=1)
    reader = _Reader(text)
    try:
        reader.parser.Parse(text, True)
    except expat.ExpatError as error:
        raise BadJobXml(f"config.xml is no XML: {error}") from error
    if reader.foreign:
        raise BadJobXml("config.xml has a document type, which a job's has not")
    return reader.places, reader.declared


class _Reader:
    """Follows the elements and notes where those of interest are."""

    def __init__(self, text: bytes) -> None:
        self.places = _Places()
        self.declared: set[str] = set()
        self.foreign = False
        self._text = text
        self._path: list[str] = []
        self._starts: list[tuple[int, int]] = []
        self._characters: list[str] = []
        #: name of the entry of <project-properties> that is being read
        self._entry = ""
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters.append
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _doctype(self, *_arguments: object) -> None:
        self.foreign = True

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        start = self.parser.CurrentByteIndex
        self._path.append(name)
        self._starts.append((start, _tag_end(self._text, start)))
        self._characters.clear()

    def _end(self, name: str) -> None:
        start, tag_end = self._starts.pop()
        place = (start, tag_end, self.parser.CurrentByteIndex)
        match self._path:
            case [_]:
                self.places.root, self.places.root_end = name, place[2]
            case [_, "properties"]:
                self.places.properties = place
            case [_, "project-properties", "entry", "string"]:
                self._entry = "".join(self._characters).strip()
            case [_, "project-properties", "entry", _, "originalValue"] if self._entry == _ENTRY:
                self.places.empty_list = place
            case [_, "project-properties", *_, "parameterDefinitions"]:
                self.places.definitions = place
            case [_, "properties", "hudson.model.ParametersDefinitionProperty", _]:
                self.places.definitions = self.places.definitions or place
            case [_, *_, "parameterDefinitions", _, "name"]:
                self.declared.add("".join(self._characters).strip())
        self._path.pop()


def _tag_end(text: bytes, start: int) -> int:
    """The position behind the `>` of the tag that starts at `start`."""
    quote = 0
    for position in range(start, len(text)):
        character = text[position]
        if quote:
            quote = 0 if character == quote else quote
        elif character in b"\"'":
            quote = character
        elif character == ord(">"):
            return position + 1
    raise BadJobXml("config.xml has a tag without an end")


def _insert(text: bytes, place: tuple[int, int, int], lines: list[str], newline: bytes) -> bytes:
    """`lines` as the last children of the element at `place`."""
    start, tag_end, end = place
    indent = _INDENT.search(text[:start])
    margin = indent.group() if indent else b""
    added = _joined(lines, newline)
    if text[tag_end - 2 : tag_end] == b"/>":
        tag = text[start : tag_end - 2].rstrip()
        name = tag[1:].split()[0]
        closing = newline + margin + b"</" + name + b">"
        return text[:start] + tag + b">" + newline + added + closing + text[tag_end:]
    before = text[:end].rstrip(b" \t")
    if not before.endswith(b"\n"):
        before += newline
    return before + added + newline + margin + text[end:]


def _property(names: Sequence[str], kind: str) -> list[str]:
    return [
        f"    <{_PROPERTY}>",
        "      <parameterDefinitions>",
        *_definitions(names, kind),
        "      </parameterDefinitions>",
        f"    </{_PROPERTY}>",
    ]


def _definitions(names: Sequence[str], kind: str) -> list[str]:
    lines = []
    for name in names:
        lines += [
            f"<{kind}>",
            f"  <name>{escape(name)}</name>",
            "  <description></description>",
            "  <defaultValue></defaultValue>",
            f"</{kind}>",
        ]
    return ["        " + line for line in lines]


def _joined(lines: Sequence[str], newline: bytes) -> bytes:
    return newline.join(line.encode() for line in lines)
