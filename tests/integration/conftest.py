"""Fixtures that several files of this folder share."""

from tests.integration.nodepool_fixtures import database_url, postgres, site

__all__ = ["database_url", "postgres", "site"]
