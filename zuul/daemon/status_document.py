"""StatusDocument: status.json as bytes, and each change's part of it.

A document of a thousand changes takes the encoder tens of milliseconds, in which no other thread of
the process runs. So it is encoded item by item: between two of them the scheduler gets its turn.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zuul.lib.logs import fields

log = logging.getLogger("zuul.WebApp")

#: fast rather than small: a page asks every few seconds
_GZIP_LEVEL = 1

_encoder = json.JSONEncoder(allow_nan=False)


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """One state of all pipelines, ready to be sent."""

    #: epoch seconds of the state
    built_at: float
    body: bytes
    gzipped: bytes
    #: JSON texts of the items of a change, by `N,P`
    items: Mapping[str, tuple[str, ...]]

    def change_body(self, change: str) -> bytes:
        """The items of one change, in any pipeline, as a JSON list."""
        return f"[{', '.join(self.items.get(change, ()))}]".encode("ascii")


def encode_status(document: Mapping[str, Any], built_at: float) -> StatusDocument:
    """Encode a document of the form that reference/web.rst describes."""
    items: dict[str, list[str]] = {}
    pipelines = [_encode_pipeline(pipeline, items) for pipeline in document["pipelines"]]
    body = _encode_around(document, "pipelines", pipelines).encode("ascii")
    return StatusDocument(
        built_at=built_at,
        body=body,
        gzipped=gzip.compress(body, _GZIP_LEVEL, mtime=0),
        items={change: tuple(texts) for change, texts in items.items()},
    )


def encode_items(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Items, such as the running jobs of all pipelines, as a JSON list."""
    found: dict[str, list[str]] = {}
    return f"[{', '.join([_encode_item(item, found) for item in items])}]".encode("ascii")


def _encode_pipeline(pipeline: Mapping[str, Any], items: dict[str, list[str]]) -> str:
    queues = []
    for queue in pipeline["change_queues"]:
        heads = [
            f"[{', '.join([_encode_item(item, items) for item in head])}]"
            for head in queue["heads"]
        ]
        queues.append(_encode_around(queue, "heads", heads))
    return _encode_around(pipeline, "change_queues", queues)


def _encode_around(mapping: Mapping[str, Any], key: str, encoded: Iterable[str]) -> str:
    """`mapping` as JSON, with the list of `encoded` texts under `key`, last."""
    rest = {name: value for name, value in mapping.items() if name != key}
    start = _encode(rest)[:-1] + (", " if rest else "")
    return f'{start}"{key}": [{", ".join(encoded)}]}}'


def _encode_item(item: Mapping[str, Any], items: dict[str, list[str]]) -> str:
    try:
        text = _encode(item)
    except (TypeError, ValueError, RecursionError) as error:
        # A worker's answers and Gerrit's word on the owner are all of an item that is not ours.
        log.error("Part of an item cannot be shown %s", fields(change=item["id"], reason=error))
        text = _encode({**item, "jobs": [], "owner": None})
    if item["id"] is not None:
        items.setdefault(item["id"], []).append(text)
    return text


def _encode(value: object) -> str:
    # The escape keeps `</script>` and its like out of pages that paste the document in.
    return _encoder.encode(value).replace("<", "\\u003c")
