"""Databases: an engine with bounded waits, short transactions, migrations at start."""
