"""A person at the command line for each test, and no file of this machine's own site."""

from tests.unit.nodepool.cmd.desk import desk, empty, no_site_of_the_machine, site

__all__ = ["desk", "empty", "no_site_of_the_machine", "site"]
