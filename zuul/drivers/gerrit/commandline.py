"""Command lines for Gerrit's SSH server, quoted by its own rules. Pure.

Gerrit splits at blanks and tabs; '...' takes everything as it is, "..." too but for backslashes; a
word of no characters vanishes. Its option parser then cuts every word that begins with `--` at its
first `=`. So a value always travels as `'--option=value'`: nothing in it can become an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: bytes of a message; Gerrit's default limit for one comment is 16 KiB
MAX_MESSAGE_BYTES = 16_000
_CUT = "\n\n(The rest of this report was too long.)"

QUERY_OPTIONS = (
    "--format",
    "json",
    "--all-approvals",
    "--comments",
    "--commit-message",
    "--current-patch-set",
    "--dependencies",
    "--files",
    "--patch-sets",
    "--submit-records",
)
STREAM_EVENTS = "gerrit stream-events"
VERSION = "gerrit version"


def quote(word: str) -> str:
    """One word for Gerrit's command parser; the empty word cannot be said."""
    if not word:
        raise ValueError("Gerrit's command line has no empty words")
    return "'" + word.replace("'", "'\\''") + "'"


def clean_message(text: str) -> str:
    """Text as Gerrit can keep it: no control characters or broken Unicode, bounded in size."""
    lines = text.replace("\r\n", "\n")
    cleaned = "".join(map(_clean_character, lines)).strip()
    data = cleaned.encode()
    if len(data) <= MAX_MESSAGE_BYTES:
        return cleaned
    kept = data[: MAX_MESSAGE_BYTES - len(_CUT.encode())].decode(errors="ignore")
    return kept + _CUT


def _clean_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
        return "\ufffd"
    return character


def build_query(terms: str, *, skip: int = 0) -> str:
    """`terms` is one expression of Gerrit's search language."""
    words = ["gerrit", "query", *QUERY_OPTIONS]
    if skip:
        words += ["-S", str(skip)]
    return " ".join([*words, quote(terms)])


def build_review(
    project: str,
    message: str,
    parameters: Mapping[str, Any],
    number: str,
    patchset: str,
    spellings: Mapping[str, str],
) -> str:
    """A vote, comment or submit.

    `parameters` as in the layout: true gives `--KEY`, all else a label. `spellings`: normalized
    label -> as the server spells it; a label the server did not name goes out as written.
    """
    words = ["gerrit", "review", quote(f"--project={project}")]
    text = clean_message(message)
    if text:
        words.append(quote(f"--message={text}"))
    for key, value in parameters.items():
        if value is True:
            words.append(quote(f"--{key}"))
        else:
            label = spellings.get(key.lower().replace(" ", "-"), key)
            words.append(quote(f"--label={label}={value}"))
    if not (number.isdecimal() and patchset.isdecimal()):
        raise ValueError(f"not a patch set: {number},{patchset}")
    return " ".join([*words, f"{number},{patchset}"])
