"""Command lines for Gerrit's SSH server, quoted by its own rules. Pure.

Gerrit splits at blanks and tabs; '...' takes everything as it is, "..." too but for backslashes; a
word of no characters vanishes. Its option parser then cuts words that begin with `--` at their
first `=`, and does so more than once. So a value travels as `'--option=value'` and never begins
with a dash itself: nothing in it can become an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zuul.lib.text import clean_text
from zuul.model.change import normalize_label

#: bytes of a message; Gerrit's default limit for one comment is 16 KiB
MAX_MESSAGE_BYTES = 16_000
#: what a value must not begin with: Gerrit's parser might take it for an option or a file
_MISREAD = ("-", "@")
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
    cleaned = clean_text(text).strip()
    data = cleaned.encode()
    if len(data) <= MAX_MESSAGE_BYTES:
        return cleaned
    kept = data[: MAX_MESSAGE_BYTES - len(_CUT.encode())].decode(errors="ignore")
    return kept + _CUT


def spell_label(key: str, spellings: Mapping[str, str]) -> str:
    """As the server spells it; one it did not name is capitalized, unless the layout does that.

    Today's Gerrit takes `verified` for a label it does not have, and drops the vote silently.
    """
    known = spellings.get(normalize_label(key))
    if known is not None:
        return known
    return "-".join(map(str.capitalize, key.split("-"))) if key.islower() else key


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
    label -> as the server spells it. Raises ValueError for a key or number that is none.
    """
    for key in parameters:
        if not key or key.startswith(_MISREAD):
            raise ValueError(f"not a label or option: {key!r}")
    words = ["gerrit", "review"]
    if not project.startswith(_MISREAD):
        # Without it the patch set's numbers say which change is meant, on this server at least.
        words.append(quote(f"--project={project}"))
    text = clean_message(message)
    if text:
        # Gerrit strips the line feed from the comment again.
        guard = "\n" if text.startswith(_MISREAD) else ""
        words.append(quote(f"--message={guard}{text}"))
    for key, value in parameters.items():
        if value is True:
            words.append(quote(f"--{key}"))
        else:
            words.append(quote(f"--label={spell_label(key, spellings)}={value}"))
    if not (number.isdecimal() and patchset.isdecimal()):
        raise ValueError(f"not a patch set: {number},{patchset}")
    return " ".join([*words, f"{number},{patchset}"])
