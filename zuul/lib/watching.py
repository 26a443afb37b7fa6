"""What observers of a core have in common: being several, and writing log records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from zuul.lib.logs import fields


def hooks_of(silent: type) -> tuple[str, ...]:
    """The hooks' names; `silent`: the observer that does nothing."""
    return tuple(name for name in vars(silent) if not name.startswith("_"))


def fan_out(silent: type, observers: Iterable[object]) -> dict[str, Callable[..., None]]:
    """By hook: what tells all who listen, in their order. A hook that nobody listens to is left
    out: the silent one costs a call and no more."""
    told = list(observers)
    found: dict[str, Callable[..., None]] = {}
    for hook in hooks_of(silent):
        nothing = getattr(silent, hook)
        tell = [getattr(each, hook) for each in told if getattr(type(each), hook, None) != nothing]
        if tell:
            found[hook] = tell[0] if len(tell) == 1 else _one_of(tell)
    return found


def _one_of(tell: list[Callable[..., None]]) -> Callable[..., None]:
    def tell_all(*arguments: Any, **keywords: Any) -> None:
        for each in tell:
            each(*arguments, **keywords)

    return tell_all


def say(log: logging.Logger, level: int, action: str, sentence: str, /, **values: object) -> None:
    """A fixed sentence with its fields; `action` on the record is the hook's name."""
    if log.isEnabledFor(level):
        log.log(level, "%s %s", sentence, fields(**values), extra={"action": action})
