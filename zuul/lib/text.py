"""Text from outside, as others can keep it."""

from __future__ import annotations


def clean_text(text: str) -> str:
    """Without control characters and broken Unicode; line ends are newlines, tabs stay."""
    return "".join(map(_clean_character, text.replace("\r\n", "\n")))


def _clean_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
        return "\ufffd"
    return character
