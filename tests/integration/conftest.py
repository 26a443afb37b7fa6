"""Fixtures that several files of this folder share."""

from tests.integration.database_fixtures import (
    database_server,
    database_url,
    mariadb,
    postgres,
    sqlite_url,
)
from tests.integration.nodepool_fixtures import (
    inbox,
    jenkins,
    make_target_edge,
    site,
    sqlite_site,
    target_edge,
)

__all__ = [
    "database_server",
    "database_url",
    "inbox",
    "jenkins",
    "make_target_edge",
    "mariadb",
    "postgres",
    "site",
    "sqlite_site",
    "sqlite_url",
    "target_edge",
]
