"""Host names from templates, and what a name may be.

A template is data: only the fields below are replaced, nothing is looked up in objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Formatter

NODE_FIELDS = frozenset(
    ("label", "label.name", "provider", "provider.name", "node_id", "timestamp")
)
SUBNODE_FIELDS = NODE_FIELDS | {"subnode_id"}
IMAGE_FIELDS = frozenset(
    ("provider", "provider.name", "image", "image.name", "image.id", "timestamp")
)

MAX_NAME = 255
_HOST_LABEL = re.compile(r"[^A-Za-z0-9.-]")


def find_fault(template: str, known: Iterable[str]) -> str | None:
    """What keeps the template from being one."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        return f"is no template: {error}"
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in known:
            return f"{{{name}}} is not a field; there are {', '.join(sorted(known))}"
        if spec or conversion:
            return f"{{{name}}} takes no format"
    return None


def expand(template: str, values: Mapping[str, str]) -> str:
    """The template with its fields replaced; KeyError names a field that is not in `values`."""
    done = []
    for literal, name, _, _ in Formatter().parse(template):
        done.append(literal)
        if name is not None:
            done.append(values[name])
    return "".join(done)


def host_name(template: str, **values: str | int) -> str:
    """A template as a host name: what no host name may hold becomes a dash.

    Keywords: label, provider, image, node_id, subnode_id, image_id, timestamp.
    """
    known = {
        spelling: str(value)
        for name, value in values.items()
        for spelling in (("image.id",) if name == "image_id" else (name, f"{name}.name"))
    }
    return _HOST_LABEL.sub("-", expand(template, known))[:MAX_NAME]


def node_name(hostname: str) -> str:
    """What Jenkins and ZeroMQ call the node: the host name up to its first dot."""
    return hostname.partition(".")[0]
