"""Answers to what an administrator asked for."""

from __future__ import annotations

from zuul.core.commands import AnswerRequest


def granted(answer: AnswerRequest | None) -> str | None:
    """The note of an answer that is no refusal."""
    assert answer is not None
    assert answer.error is None
    return answer.note


def refused(answer: AnswerRequest | None) -> str:
    """The text of a refusal."""
    assert answer is not None
    assert answer.error is not None
    return answer.error
