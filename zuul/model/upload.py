"""A place in swift that a build may upload to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upload:
    """One destination of a job, or what holds where a job does not say."""

    name: str = ""
    container: str = ""
    #: seconds for which the signature is good
    expiry: int = 7200
    #: bytes
    max_file_size: int = 104857600
    max_file_count: int = 10
    #: goes between container and LOG_PATH
    file_path_prefix: str = ""
    #: for the worker's own use
    logserver_prefix: str | None = None
