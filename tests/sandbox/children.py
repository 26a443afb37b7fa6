"""Child processes of a sandbox that leave nothing open, whatever happens to those who use them."""

from __future__ import annotations

import asyncio
from asyncio import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

#: what a reader may be ahead of its caller, as asyncio's own default
_LIMIT = 65_536


@asynccontextmanager
async def child(
    *argv: str,
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    start_new_session: bool = False,
) -> AsyncIterator[subprocess.Process]:
    """A running process; on leaving it is dead and its pipes are closed.

    `asyncio.create_subprocess_exec` leaves a pipe open, and its transport to the garbage
    collector, if a grandchild still holds the other end or if nobody read to the end.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: subprocess.SubprocessStreamProtocol(_LIMIT, loop),
        *argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=env,
        start_new_session=start_new_session,
    )
    process = subprocess.Process(transport, protocol, loop)
    try:
        yield process
    finally:
        transport.close()
        await process.wait()
