"""A build on one of nodepool's nodes, as the gate sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from zuul.lib.gearman import ClientJob, Outcome


@dataclass(eq=False)
class Build:
    """A build that was submitted, and what came back."""

    job: str
    uuid: str
    data: list[dict[str, Any]] = field(default_factory=list)
    outcome: Outcome | None = None
    result: str | None = None

    def job_created(self, job: ClientJob) -> None: ...
    def job_status(self, job: ClientJob) -> None: ...
    def job_known(self, job: ClientJob, known: bool, running: bool) -> None: ...

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self.data.append(json.loads(data))

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        if outcome is Outcome.COMPLETE and data.startswith(b"{"):
            self.result = json.loads(data).get("result")
        self.outcome = outcome

    @property
    def nodename(self) -> str | None:
        """The node it runs, or ran, on; None before it started."""
        return self.data[0].get("node_name") if self.data else None
