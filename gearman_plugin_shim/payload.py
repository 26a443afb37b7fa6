"""What stands in Gearman's packets and ZeroMQ's messages: parameters in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from gearman_plugin_shim.errors import ShimError
from gearman_plugin_shim.model import BuildInfo, BuildRow

MAX_UUID: Final = 128
#: Gson's habit: these never stand in its JSON as they are
_GSON: Final = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&='\u2028\u2029"})
#: event word and phase, in the order in which a build goes through them
PHASES: Final = {"onStarted": "STARTED", "onCompleted": "COMPLETED", "onFinalized": "FINISHED"}


class PayloadError(ShimError):
    """A Gearman job's payload cannot be used; the text is for who sent it."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A job for us to build."""

    uuid: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Errand:
    """A stop or set_description: a build by its number, or by its UUID."""

    #: short or full name of the job
    name: str
    #: None: the build is named by `uuid`
    number: int | None
    uuid: str | None
    html: str = ""


def parse_build(payload: bytes, unique: str, *, uuid_optional: bool = False) -> BuildRequest:
    """Parameters of a build. Raises PayloadError, which names the field.

    `uuid_optional`: the Gearman unique stands in for a missing ZUUL_UUID.
    """
    parameters = {}
    for name, value in _parse_object(payload).items():
        text = _text_of(name, value)
        if text is not None:
            parameters[_clean(name)] = text
    uuid = parameters.get("ZUUL_UUID", "")
    if not uuid and uuid_optional:
        uuid = unique
    if not uuid:
        raise PayloadError("ZUUL_UUID: is missing, builds are told apart by it")
    if len(uuid) > MAX_UUID or not uuid.isprintable():
        raise PayloadError(f"ZUUL_UUID: expected at most {MAX_UUID} printable characters")
    return BuildRequest(uuid, parameters)


def parse_errand(payload: bytes, *, with_html: bool) -> Errand:
    """The arguments of stop and set_description. Raises PayloadError, which names the field."""
    values = _parse_object(payload)
    name = values.get("name")
    if not isinstance(name, str) or not name:
        raise PayloadError("name: expected a job's name")
    number, uuid = values.get("number"), values.get("uuid")
    if isinstance(number, str) and not _is_number(number):
        number, uuid = None, uuid or number
    if isinstance(number, str):
        number = int(number)
    if (
        isinstance(number, bool)
        or not isinstance(number, int | None)
        or (number is not None and number < 1)
    ):
        raise PayloadError("number: expected a build's number or its ZUUL_UUID")
    if number is None and (not isinstance(uuid, str) or not uuid):
        raise PayloadError("number: is missing")
    html = values.get("html_description") if with_html else ""
    if not isinstance(html, str):
        raise PayloadError("html_description: expected a text")
    return Errand(name, number, uuid if number is None else None, _clean(html))


def wants_offline(parameters: Mapping[str, str]) -> bool:
    """Whether the node is to be set offline."""
    return parameters.get("OFFLINE_NODE_WHEN_COMPLETE") in ("1", "true", "True", "TRUE")


def build_data(row: BuildRow, *, ended: bool = False) -> bytes:
    """WORK_DATA of a start, or WORK_COMPLETE of an end: without `result` if nobody knows it."""
    assert row.number is not None, "only a build that began has data"
    values: dict[str, Any] = {
        "name": row.job.rpartition("/")[2],
        "number": row.number,
        "manager": row.master,
        "worker": f"{row.node or row.master}_exec-{row.executor}",
        "url": row.url,
        "node_labels": list(row.node_labels),
        "node_name": row.node or "",
    }
    if ended:
        values["result"] = row.result
    return _dump(values).encode()


def early_data(row: BuildRow) -> bytes:
    """WORK_DATA before the build has a number: a stop can name it by its UUID."""
    values = {"name": row.job.rpartition("/")[2], "number": row.uuid, "manager": row.master}
    return _dump(values).encode()


def event_json(
    word: str,
    build: BuildInfo,
    *,
    root_url: str,
    host_name: str,
    node_description: str | None,
) -> str:
    """The JSON object of a build event, on one line."""
    job_url = "".join(f"job/{quote(part)}/" for part in build.id.job.split("/"))
    url = f"{job_url}{build.id.number}/"
    values = {
        "name": build.id.job.rpartition("/")[2],
        "url": job_url,
        "build": {
            "full_url": build.url or (f"{root_url}/{url}" if root_url else None),
            "number": build.id.number,
            "phase": PHASES[word],
            "status": build.result,
            "url": url,
            "node_name": build.node,
            "host_name": host_name or None,
            "node_description": node_description,
            "parameters": dict(build.parameters) if build.parameters else None,
        },
    }
    return _dump(values)


def _dump(values: Mapping[str, Any]) -> str:
    text = json.dumps(_without_nulls(values), ensure_ascii=False, separators=(",", ":"))
    return _clean(text).translate(_GSON)


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _parse_object(payload: bytes) -> dict[str, Any]:
    if not payload.strip(b"\x00 \t\r\n"):
        return {}
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"payload: is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise PayloadError("payload: expected a JSON object")
    return values


def _text_of(name: str, value: object) -> str | None:
    """A parameter's value as text; None for null, which is no value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise PayloadError(f"{_clean(name)}: expected a text, not a list or an object")
    return _clean(value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _clean(text: str) -> str:
    """Half a surrogate pair can stand in JSON, but not in what is sent on."""
    return text.encode("utf-8", "replace").decode("utf-8")
