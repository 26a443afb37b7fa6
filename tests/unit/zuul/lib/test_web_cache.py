"""When the scheduler is asked for a new document, and what is served while it does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from zuul.daemon.status_document import StatusDocument
from zuul.lib.web.cache import CachedStatus, StatusCache

LIFETIME = 10.0


class Scheduler:
    """Answers when told; `now` is the clock of both sides."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.fails = False

    async def build(self) -> StatusDocument:
        self.asked += 1
        await self.answers.wait()
        if self.fails:
            raise TimeoutError("no answer")
        return StatusDocument(self.now, b"%d" % self.asked, b"", {})


def run(scenario: Callable[[Scheduler, StatusCache], Awaitable[None]], patience: float) -> None:
    async def main() -> None:
        scheduler = Scheduler()
        cache = StatusCache(
            scheduler.build,
            lifetime_seconds=LIFETIME,
            patience_seconds=patience,
            clock=lambda: scheduler.now,
        )
        await scenario(scheduler, cache)
        cache.close()

    asyncio.run(main())


def body(cached: CachedStatus | None) -> bytes:
    assert cached is not None
    return cached.document.body


def test_within_its_lifetime_a_document_serves_everybody():
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        assert body(await cache.get()) == b"1"
        scheduler.now += LIFETIME - 0.1
        assert body(await cache.get()) == b"1"
        scheduler.now += 0.1
        assert body(await cache.get()) == b"2"

    run(scenario, patience=5)


def test_many_browsers_ask_the_scheduler_once():
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        answers = await asyncio.gather(*[cache.get() for _ in range(100)])
        assert {body(answer) for answer in answers} == {b"1"}
        assert scheduler.asked == 1

    run(scenario, patience=5)


def test_a_scheduler_that_hangs_leaves_the_old_document():
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        await cache.get()
        scheduler.now += LIFETIME
        scheduler.answers.clear()
        for _ in range(3):
            cached = await cache.get()
            assert cached is not None
            assert (cached.stale, cached.document.body) == (True, b"1")
        assert scheduler.asked == 2
        scheduler.answers.set()
        await asyncio.sleep(0)
        cached = await cache.get()
        assert cached is not None
        assert (cached.stale, cached.document.body) == (False, b"2")

    run(scenario, patience=0)


@pytest.mark.parametrize("fails", [True, False])
def test_before_the_first_document_there_is_none(fails):
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        scheduler.fails = fails
        if not fails:
            scheduler.answers.clear()
        assert await cache.get() is None

    run(scenario, patience=5 if fails else 0)


def test_a_failed_renewal_is_told_and_tried_again(caplog):
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        scheduler.fails = True
        assert await cache.get() is None
        assert "TimeoutError: no answer" in caplog.text
        scheduler.fails = False
        assert body(await cache.get()) == b"2"

    run(scenario, patience=5)


def test_a_clock_set_back_makes_no_document_immortal():
    async def scenario(scheduler: Scheduler, cache: StatusCache) -> None:
        await cache.get()
        scheduler.now -= 3600
        assert body(await cache.get()) == b"2"

    run(scenario, patience=5)
