"""How the sandbox's executors run the shell steps of a build.

A script made of nothing but `sleep N`, `echo WORDS`, `true`, `false`, `exit N`, `result WORD` and
comments costs no process: it is played on the event loop, so that a bench may run hundreds at a
time. (`result UNSTABLE` is the sandbox's own, for results that no exit code can give.) All other
scripts are `/bin/sh -xe` in a session of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

_SIMPLE = re.compile(
    r"(?P<word>sleep|exit|true|false|echo|result)(?:\s+(?P<rest>[\w .,:/=-]*))?\s*(?:#.*)?"
)
#: the shell dies with the thread that serves it, which kill -9 of the master ends
_DIE_TOGETHER = ("setpriv", "--pdeathsig", "KILL")


def is_simple(script: str) -> bool:
    """Whether it can be played without a process."""
    return all(_SIMPLE.fullmatch(line) for line in _lines(script))


async def play(script: str, log: Path) -> tuple[int, str | None]:
    """(exit code, result if the script names one) of a simple script."""
    for line in _lines(script):
        found = _SIMPLE.fullmatch(line)
        assert found is not None
        word, rest = found["word"], (found["rest"] or "").strip()
        _say(log, f"+ {line}\n" + (f"{rest}\n" if word == "echo" else ""))
        if word == "sleep":
            await asyncio.sleep(float(rest))
        elif word == "exit":
            return int(rest or 0), None
        elif word == "false":
            return 1, None
        elif word == "result":
            return 0, rest
    return 0, None


async def execute(
    script: str, workspace: Path, environment: Mapping[str, str], log: Path
) -> tuple[int, str | None]:
    """Exit code of a real shell. Cancelled, it kills the shell with all it started."""
    workspace.mkdir(parents=True, exist_ok=True)
    prefix = _DIE_TOGETHER if shutil.which(_DIE_TOGETHER[0]) else ()
    file = log.with_name(f"{log.name}.sh")
    file.write_text(script, encoding="utf-8")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, "/bin/sh", "-xe", str(file)),
            cwd=workspace,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        code = await process.wait()
    finally:
        # What the script left in the background ends with it, as Jenkins' process killer does.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
    return code, None


def _lines(script: str) -> list[str]:
    lines = (line.strip() for line in script.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _say(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(text)
