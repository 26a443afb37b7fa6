"""Child processes of the sandboxes leave no pipe open."""

import asyncio
import gc
import warnings

from tests.sandbox.children import child


def test_a_grandchild_that_holds_the_pipe_leaves_nothing_open() -> None:
    async def leave() -> None:
        async with child("/bin/sh", "-c", "sleep 30 & exit 3") as process:
            # Python 3.11's wait() would wait for the grandchild too.
            while process.returncode is None:
                await asyncio.sleep(0.01)
            assert process.returncode == 3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(asyncio.wait_for(leave(), 10))
        gc.collect()


def test_a_child_that_nobody_waited_for_is_killed() -> None:
    async def leave() -> int | None:
        async with child("/bin/sh", "-c", "exec sleep 30") as process:
            pass
        return process.returncode

    assert asyncio.run(asyncio.wait_for(leave(), 10)) == -9


def test_output_that_nobody_reads_keeps_nobody() -> None:
    async def leave() -> int | None:
        async with child("/bin/sh", "-c", "yes") as process:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"y\n"
        return process.returncode

    assert asyncio.run(asyncio.wait_for(leave(), 10)) == -9
