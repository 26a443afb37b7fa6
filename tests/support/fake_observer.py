"""An observer that remembers, and passes on to others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zuul.core.ports import Observer

HOOKS = tuple(
    name
    for name, value in vars(Observer).items()
    if not name.startswith("_") and inspect.isfunction(value)
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One call of a hook, its arguments by name."""

    hook: str
    arguments: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(name) from None


class FakeObserver:
    """Records every hook of the Observer protocol; a call that does not fit it is an error."""

    def __init__(self, *others: Observer, keep: int | None = None) -> None:
        self.seen: list[Seen] = []
        self._others = others
        #: how many to remember; None is all
        self._keep = keep
        for hook in HOOKS:
            setattr(self, hook, self._recorder(hook))

    def _recorder(self, hook: str) -> Callable[..., None]:
        signature = inspect.signature(getattr(Observer, hook))

        def record(*args: Any, **kwargs: Any) -> None:
            bound = signature.bind(self, *args, **kwargs)
            arguments = dict(bound.arguments)
            arguments.pop("self")
            self.seen.append(Seen(hook, arguments))
            if self._keep is not None and len(self.seen) > 2 * self._keep:
                del self.seen[: -self._keep]
            for other in self._others:
                getattr(other, hook)(*args, **kwargs)

        return record

    def of(self, hook: str) -> list[Seen]:
        """What one hook saw, oldest first."""
        assert hook in HOOKS, hook
        return [seen for seen in self.seen if seen.hook == hook]
