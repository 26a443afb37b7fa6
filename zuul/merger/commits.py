"""Commit objects made from a tree that is already merged, as git would have written them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType

_FORBIDDEN = re.compile(r"[<>\n\0]")
#: characters that git takes off both ends of a name
_CRUD = " .,:;<>\"'\\"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes the merge commits."""

    name: str
    email: str

    def line(self, at: float) -> bytes:
        """As in a commit object, in UTC; `at` is epoch seconds."""
        name = _FORBIDDEN.sub("", self.name).strip(_CRUD) or "zuul"
        email = _FORBIDDEN.sub("", self.email).strip(_CRUD) or "zuul@localhost"
        return f"{name} <{email}> {int(at)} +0000".encode()


class CommitWriter:
    """Writes commits of one repository under one identity."""

    def __init__(
        self,
        repository: pygit2.Repository,
        identity: Identity,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._identity = identity
        self._now = now

    def write_merge(
        self, tree: pygit2.Oid, parents: Sequence[pygit2.Oid], message: str
    ) -> pygit2.Oid:
        me = self._identity.line(self._now())
        return self._write(tree, parents, me, me, message.encode())

    def write_picked(
        self, tree: pygit2.Oid, parent: pygit2.Oid, picked: pygit2.Commit
    ) -> pygit2.Oid:
        """The same author, date and message as `picked`, with this merger as committer."""
        headers, _, message = picked.read_raw().partition(b"\n\n")
        author = next(
            line.removeprefix(b"author ")
            for line in headers.split(b"\n")
            if line.startswith(b"author ")
        )
        encoding = picked.message_encoding
        if encoding:
            author, message = _to_utf8(author, encoding), _to_utf8(message, encoding)
        return self._write(tree, [parent], author, self._identity.line(self._now()), message)

    def _write(
        self,
        tree: pygit2.Oid,
        parents: Sequence[pygit2.Oid],
        author: bytes,
        committer: bytes,
        message: bytes,
    ) -> pygit2.Oid:
        lines = [b"tree %s" % str(tree).encode()]
        lines += [b"parent %s" % str(parent).encode() for parent in parents]
        lines += [b"author " + author, b"committer " + committer]
        data = b"\n".join(lines) + b"\n\n" + message
        return self._repository.write(ObjectType.COMMIT, data)


def merge_message(refspec: str, url: str) -> str:
    """What `git merge FETCH_HEAD` writes on a detached HEAD after fetching `refspec` of `url`."""
    shown = re.sub(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", r"\1", url).rstrip("/")
    return f"Merge commit '{refspec}' of {shown.removesuffix('.git')} into HEAD\n"


def _to_utf8(text: bytes, encoding: str) -> bytes:
    """Re-encoded as git does it; what does not decode stays as it is."""
    try:
        return text.decode(encoding).encode()
    except (LookupError, UnicodeDecodeError):
        return text
