"""What is known of one run of one job. (Run-time entities Build and BuildSet stand below.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Worker:
    """Who runs a build, as it told us; all optional (contract zuul.md 5.2)."""

    name: str | None = None
    hostname: str | None = None
    ips: tuple[str, ...] = ()
    fqdn: str | None = None
    program: str | None = None
    version: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildData:
    """The last data packet of a build, parsed; absent fields are None."""

    #: any JSON scalar
    number: str | int | float | None = None
    manager: str | None = None
    url: str | None = None
    worker: Worker = Worker()
    node_labels: tuple[str, ...] = ()
    node_name: str | None = None


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """The item of a series that did not merge."""

    project: str
    number: str
    patchset: str


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merger's answer."""

    merged: bool
    commit: str | None = None
    #: base URL under which this merger's repositories are served: ZUUL_URL
    zuul_url: str | None = None
    #: None: an original merger, which keeps no results to build on
    merger_id: str | None = None
    #: tree of `commit`, and of the commit that the last item was merged onto
    tree: str | None = None
    base_tree: str | None = None
    conflict: MergeConflict | None = None
    #: why it did not merge, when no conflict was the reason
    error: str | None = None
