"""What an operator can ask of a world: the verbs of the client, as the core hears them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.support.engine import Engine
from tests.support.fake_gerrit import CONNECTION, FakeChange
from zuul.core.commands import AnswerRequest
from zuul.core.events import Event
from zuul.core.requests import (
    DequeueRequested,
    EnqueueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.model.brakes import Freeze, Hold
from zuul.model.change import Ref, RefKey

#: of a ref that is not there; of one that moved
ZEROS = "0" * 40
NEWREV = "d479a0bfcb34da57a31adb2a595c0cf687812543"


class Operators(Engine):
    """An engine that people talk to. Each verb gives the answer, as soon as there is one."""

    def settle(self) -> None:
        """Let happen what can."""

    def ask(self, make: Callable[[str], Event]) -> AnswerRequest | None:
        if not hasattr(self, "_requests"):
            self._requests = (f"request {number}" for number in itertools.count(1))
        request = next(self._requests)
        self.tell(make(request))
        self.settle()
        return self.answers.get(request)

    def enqueue(self, change: FakeChange, pipeline: str = "gate") -> AnswerRequest | None:
        record = self.gerrit.lookup(change, change.current.number)
        changes = self.gerrit.closure(change)
        return self.ask(lambda r: EnqueueRequested(r, pipeline, change.project, record, changes))

    def enqueue_ref(
        self, pipeline: str, project: str, ref: str, newrev: str, oldrev: str = ZEROS
    ) -> AnswerRequest | None:
        subject = Ref(RefKey(CONNECTION, project, ref, newrev), oldrev)
        return self.ask(lambda r: EnqueueRequested(r, pipeline, project, subject))

    def dequeue(self, change: FakeChange, pipeline: str = "gate") -> AnswerRequest | None:
        return self.ask(lambda r: DequeueRequested(r, pipeline, None, change=patch_set(change)))

    def dequeue_ref(self, pipeline: str, project: str, ref: str) -> AnswerRequest | None:
        return self.ask(lambda r: DequeueRequested(r, pipeline, project, ref=ref))

    def dequeue_tick(self, pipeline: str, project: str) -> AnswerRequest | None:
        return self.ask(lambda r: DequeueRequested(r, pipeline, project, tick=True))

    def promote(self, *changes: FakeChange, pipeline: str = "gate") -> AnswerRequest | None:
        ids = tuple(map(patch_set, changes))
        return self.ask(lambda r: PromoteRequested(r, pipeline, ids))

    def freeze(
        self, pipeline: str | None = "gate", project: str | None = None, reason: str = "release"
    ) -> AnswerRequest | None:
        freeze = Freeze(pipeline, project, reason, "ann@example.org", self.clock.now)
        return self.ask(lambda r: FreezeRequested(r, freeze))

    def unfreeze(
        self, pipeline: str | None = "gate", project: str | None = None
    ) -> AnswerRequest | None:
        return self.ask(lambda r: UnfreezeRequested(r, pipeline, project))

    def hold(
        self,
        change: FakeChange,
        reason: str = "wait for it",
        *,
        pipeline: str = "gate",
        patchset: int | None = None,
    ) -> AnswerRequest | None:
        hold = Hold(
            pipeline,
            str(change.number),
            None if patchset is None else str(patchset),
            reason,
            "ann@example.org",
            self.clock.now,
        )
        return self.ask(lambda r: HoldRequested(r, hold))

    def unhold(
        self, change: FakeChange, *, pipeline: str = "gate", patchset: int | None = None
    ) -> AnswerRequest | None:
        wanted = None if patchset is None else str(patchset)
        return self.ask(lambda r: UnholdRequested(r, pipeline, str(change.number), wanted))

    def release_brakes(self) -> None:
        """End every freeze and every hold."""
        brakes = self.scheduler._state.brakes
        for freeze in list(brakes.freezes.values()):
            self.unfreeze(freeze.pipeline, freeze.project)
        for hold in list(brakes.holds.values()):
            change = self.gerrit.changes[int(hold.number)]
            patchset = None if hold.patchset is None else int(hold.patchset)
            self.unhold(change, pipeline=hold.pipeline, patchset=patchset)


def patch_set(change: FakeChange) -> tuple[str, str]:
    """The current one, as a request names it."""
    return str(change.number), str(change.current.number)
