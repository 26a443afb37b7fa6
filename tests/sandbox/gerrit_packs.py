"""Git's pack protocol: serving fetches with git's own upload-pack, taking pushes by hand.

A push is read here rather than by git receive-pack, because refs/for/BRANCH is no ref: its commits
become changes. The pack itself goes to `git index-pack`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.sandbox import children
from tests.sandbox.gerrit_git import ZERO, Repository

FLUSH = b"0000"
CAPABILITIES = "report-status delete-refs side-band-64k ofs-delta push-options agent=sandbox-gerrit"
#: Bytes of one side-band packet's payload.
BAND_SIZE = 65_515
PACK_SECONDS = 60
#: A push that names more refs than this is refused.
MAX_COMMANDS = 1_000


class ProtocolError(Exception):
    """The client does not speak the pack protocol."""


class ByteReader(Protocol):
    async def readexactly(self, n: int) -> bytes: ...
    async def read(self, n: int = -1) -> bytes: ...


class ByteWriter(Protocol):
    def write(self, data: bytes) -> Any: ...
    async def drain(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RefCommand:
    """One line of a push: move `ref` from `old` to `new`; 40 zeros mean none."""

    old: str
    new: str
    ref: str


@dataclass(frozen=True, slots=True)
class RefResult:
    """`problem` None means the ref was taken."""

    ref: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What to tell the client: lines for its screen and a result for each ref."""

    messages: str
    results: list[RefResult]


#: Decides about a push whose objects are already there.
Receive = Callable[[list[RefCommand]], PushOutcome]


def packet(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return f"{len(data) + 4:04x}".encode() + data


async def read_packet(reader: ByteReader) -> bytes | None:
    """Payload of the next packet, None for a flush."""
    size = int(await reader.readexactly(4), 16)
    if size == 0:
        return None
    if size < 4:
        raise ProtocolError(f"packet of {size} bytes")
    return await reader.readexactly(size - 4)


async def receive_pack(
    repository: Repository, reader: ByteReader, writer: ByteWriter, receive: Receive
) -> None:
    """Serve one push on a connection."""
    writer.write(_advertisement(repository))
    await writer.drain()
    commands, capabilities = await _read_commands(reader)
    if not commands:
        return
    if "push-options" in capabilities:
        while await read_packet(reader) is not None:
            pass
    if any(command.new != ZERO for command in commands):
        problem = await _store_pack(repository.path, reader)
    else:
        problem = None
    if problem is None:
        outcome = receive(commands)
    else:
        outcome = PushOutcome("", [RefResult(c.ref, "unpacker error") for c in commands])
    _write_outcome(writer, outcome, problem, "side-band-64k" in capabilities)
    await writer.drain()


def _advertisement(repository: Repository) -> bytes:
    """Branches and tags; changes are not told, as nobody pushes to them."""
    refs = {
        name: revision
        for name, revision in repository.refs().items()
        if name.startswith(("refs/heads/", "refs/tags/"))
    } or {"capabilities^{}": ZERO}
    lines = []
    for name, revision in refs.items():
        tail = f"\0{CAPABILITIES}" if not lines else ""
        lines.append(packet(f"{revision} {name}{tail}\n"))
    return b"".join(lines) + FLUSH


async def _read_commands(reader: ByteReader) -> tuple[list[RefCommand], set[str]]:
    commands: list[RefCommand] = []
    capabilities: set[str] = set()
    while True:
        try:
            data = await read_packet(reader)
        except asyncio.IncompleteReadError:
            # The client saw that it has nothing to push and hung up.
            return [], capabilities
        if data is None:
            return commands, capabilities
        line, _nul, rest = data.decode("utf-8", "surrogateescape").partition("\0")
        capabilities |= set(rest.split())
        if line.startswith("shallow "):
            continue
        words = line.rstrip("\n").split(" ", 2)
        if len(words) != 3 or len(commands) >= MAX_COMMANDS:
            raise ProtocolError("malformed push command")
        commands.append(RefCommand(*words))


async def _store_pack(path: Path, reader: ByteReader) -> str | None:
    """Feed the pack to git; answers what is wrong with it, or None."""
    argv = ("git", f"--git-dir={path}", "index-pack", "--stdin", "--fix-thin")
    nowhere = asyncio.subprocess.DEVNULL
    async with children.child(*argv, stdout=nowhere, env=clean_environment()) as process:
        feeder = asyncio.ensure_future(_feed(reader, process))
        try:
            assert process.stderr is not None
            async with asyncio.timeout(PACK_SECONDS):
                said = await process.stderr.read()
            code = await process.wait()
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
    return None if code == 0 else said.decode("utf-8", "replace")


async def _feed(reader: ByteReader, process: asyncio.subprocess.Process) -> None:
    """Copy until index-pack has seen the pack's end and closes its side."""
    assert process.stdin is not None
    while data := await reader.read(65_536):
        process.stdin.write(data)
        await process.stdin.drain()


def _write_outcome(
    writer: ByteWriter, outcome: PushOutcome, problem: str | None, side_band: bool
) -> None:
    report = packet("unpack ok\n" if problem is None else "unpack index-pack failed\n")
    for result in outcome.results:
        if result.problem is None:
            report += packet(f"ok {result.ref}\n")
        else:
            report += packet(f"ng {result.ref} {result.problem}\n")
    report += FLUSH
    if not side_band:
        writer.write(report)
        return
    messages = outcome.messages.encode("utf-8", "surrogateescape")
    for band, data in ((2, messages), (1, report)):
        for start in range(0, len(data), BAND_SIZE):
            writer.write(packet(bytes([band]) + data[start : start + BAND_SIZE]))
    writer.write(FLUSH)


async def advertise_upload(path: Path, protocol: str | None) -> bytes:
    """Body of `info/refs?service=git-upload-pack`."""
    refs = await _upload_pack(path, ["--advertise-refs"], b"", protocol)
    return packet("# service=git-upload-pack\n") + FLUSH + refs


async def answer_upload(path: Path, request: bytes, protocol: str | None) -> bytes:
    """Body of a POST to `git-upload-pack`."""
    return await _upload_pack(path, [], request, protocol)


async def _upload_pack(
    path: Path, arguments: list[str], request: bytes, protocol: str | None
) -> bytes:
    argv = ("git", "upload-pack", "--stateless-rpc", *arguments, str(path))
    nowhere = asyncio.subprocess.DEVNULL
    async with children.child(*argv, stderr=nowhere, env=clean_environment(protocol)) as process:
        async with asyncio.timeout(PACK_SECONDS):
            out, _err = await process.communicate(request)
    return out


def clean_environment(protocol: str | None = None) -> dict[str, str]:
    """The caller's environment without its git settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    return environment
