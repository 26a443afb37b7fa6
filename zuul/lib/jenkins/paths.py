"""Where things are on a master: names to paths, and the master's URLs back to names. Pure.

The URLs that a master tells may be those of a proxy before it, or of a host that it had once. Only
the names in them are believed; every request goes to the configured URL.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

#: a job's path inside a URL: /job/FOLDER/job/NAME/
_JOB: Final = re.compile(r"((?:/job/[^/]+)+)(?:/(\d+))?/?$")
_QUEUE_ITEM: Final = re.compile(r"/queue/item/(\d+)/?$")


class BuildPlace(NamedTuple):
    """Which build a URL is about."""

    #: full name of the job: folders and name, with slashes between
    job: str
    #: None: the URL is the job's own
    number: int | None


def job_path(full_name: str) -> str:
    """`folder/name` as `job/folder/job/name/`."""
    return "".join(f"job/{quote(part, safe='')}/" for part in full_name.split("/"))


def build_path(full_name: str, number: int) -> str:
    return f"{job_path(full_name)}{number}/"


def computer_path(url_name: str) -> str:
    """`url_name`: the computer's name, or (master) or (built-in)."""
    return f"computer/{quote(url_name, safe='()')}/"


def parse_place(url: object) -> BuildPlace | None:
    """Job and number of a job's or build's URL, wherever its host; None if it is neither's."""
    if not isinstance(url, str):
        return None
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    match = _JOB.search(path)
    if match is None:
        return None
    parts = match.group(1).split("/job/")[1:]
    number = int(match.group(2)) if match.group(2) else None
    return BuildPlace("/".join(unquote(part) for part in parts), number)


def parse_queue_id(location: str | None) -> int | None:
    """The queue item's id in a Location header; None for a job's page, or nothing."""
    match = _QUEUE_ITEM.search((location or "").partition("?")[0])
    return int(match.group(1)) if match else None
