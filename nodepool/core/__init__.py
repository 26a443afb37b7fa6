"""Nodepool without I/O: events in, commands out. It never waits, logs or reads a clock."""
