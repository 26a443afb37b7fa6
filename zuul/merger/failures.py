"""Why the merger could not do what was asked, by what an operator would do about it."""

from __future__ import annotations

from zuul.errors import MergerError, RequestInvalid

__all__ = ["CloneBroken", "OriginUnreachable", "RefNotFound", "RequestInvalid", "ResultsLost"]


class RefNotFound(MergerError):
    """The repository at the origin has no such ref."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"not found at the origin: {ref}")
        self.ref = ref


class OriginUnreachable(MergerError):
    """The origin could not be read: network, login or host key; the clone is not at fault."""


class CloneBroken(MergerError):
    """The clone cannot be used as it is."""

    def __init__(self, message: str = "", *, project: str = "") -> None:
        super().__init__(message)
        self.project = project


class ResultsLost(MergerError):
    """Results that a series builds on are no longer in the clone."""

    def __init__(self, project: str) -> None:
        super().__init__(f"earlier results are no longer in the clone of {project}")
        self.project = project
