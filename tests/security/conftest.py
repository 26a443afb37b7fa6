"""A merger and an origin, for what a repository may do to it."""

from tests.integration.merger_fixtures import project, world

__all__ = ["project", "world"]
