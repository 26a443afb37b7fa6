"""config.xml as Hudson 2.2.1 keeps it: what it calls project properties come first, and count.

A posted file without them is taken over into that form; one that has them is believed. The
properties of old then only refer to the others, and are shown, but builds do not look at them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

PROPERTY = "hudson.model.ParametersDefinitionProperty"
_ENTRIES = "project-properties/entry"
_LIST = "copy-write-list-property/originalValue"


def to_hudson_form(root: ET.Element) -> bool:
    """Take a plain job over, in place; False if it has the form already."""
    if root.find("project-properties") is not None:
        return False
    holder = ET.Element("project-properties", {"class": "java.util.concurrent.ConcurrentHashMap"})
    root.insert(0, holder)
    concurrent = root.find("concurrentBuild")
    value = ET.SubElement(_entry(holder, "concurrentBuild", "boolean-property"), "originalValue")
    value.set("class", "boolean")
    value.text = "false" if concurrent is None else concurrent.text
    if concurrent is not None:
        concurrent.text = "false"
    kept = ET.SubElement(
        _entry(holder, "parametersDefinitionProperties", "copy-write-list-property"),
        "originalValue",
        {"class": "hudson.util.CopyOnWriteList"},
    )
    definitions = root.find(f"properties/{PROPERTY}/parameterDefinitions")
    if definitions is not None:
        moved = ET.SubElement(ET.SubElement(kept, PROPERTY), "parameterDefinitions")
        _move(definitions, moved)
    return True


def definitions_that_count(root: ET.Element) -> ET.Element | None:
    """The list of declared parameters that builds look at."""
    place = f"{_ENTRIES}[string='parametersDefinitionProperties']/{_LIST}/{PROPERTY}"
    return root.find(f"{place}/parameterDefinitions")


def definitions_shown(root: ET.Element) -> ET.Element | None:
    """The list that REST shows first, its references followed."""
    found = root.find(f"properties/{PROPERTY}/parameterDefinitions")
    if found is None:
        return None
    real = definitions_that_count(root)
    by_place = list(real) if real is not None else []
    shown = ET.Element(found.tag)
    for index, row in enumerate(found):
        if "reference" not in row.attrib:
            shown.append(row)
        elif index < len(by_place):
            shown.append(by_place[index])
    return shown


def is_concurrent(root: ET.Element) -> bool:
    place = f"{_ENTRIES}[string='concurrentBuild']/boolean-property/originalValue"
    return root.findtext(place) == "true"


def _entry(holder: ET.Element, name: str, kind: str) -> ET.Element:
    entry = ET.SubElement(holder, "entry")
    ET.SubElement(entry, "string").text = name
    content = ET.SubElement(entry, kind)
    ET.SubElement(content, "propertyOverridden").text = "false"
    return content


def _move(definitions: ET.Element, moved: ET.Element) -> None:
    """The rows to their new place, and references to them at the old."""
    place = f"../../../../{_ENTRIES}[2]/{_LIST}/{PROPERTY}/parameterDefinitions"
    counts: dict[str, int] = {}
    for row in list(definitions):
        definitions.remove(row)
        moved.append(row)
        counts[row.tag] = counts.get(row.tag, 0) + 1
        number = f"[{counts[row.tag]}]" if counts[row.tag] > 1 else ""
        ET.SubElement(definitions, row.tag, {"reference": f"{place}/{row.tag}{number}"})
