"""What a test does that needs a service this machine does not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(lack: str) -> NoReturn:
    """Skip with a notice; in CI, where everything must be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(lack)
    pytest.skip(lack)
