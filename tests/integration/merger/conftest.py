"""A merger and an origin for each test."""

from tests.integration.merger_fixtures import project, world

__all__ = ["project", "world"]
