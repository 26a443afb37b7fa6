"""Time and ids, the real ones. Cores get both passed in."""

from __future__ import annotations

import time
import uuid


def now() -> float:
    """Epoch seconds."""
    return time.time()


class RandomIds:
    """Ids that nobody can guess: 32 lower-case hex digits."""

    def new_id(self) -> str:
        return uuid.uuid4().hex
