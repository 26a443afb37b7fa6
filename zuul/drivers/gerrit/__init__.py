"""Gerrit: events over SSH, changes by query, votes and submits; REST where SSH is silent."""
