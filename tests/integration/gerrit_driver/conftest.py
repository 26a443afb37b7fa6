"""A sandboxed Gerrit for each test, and the driver under test on it."""

from tests.integration.gerrit_driver_sandbox import driver, gerrit, world

__all__ = ["driver", "gerrit", "world"]
