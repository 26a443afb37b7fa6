"""Talking to a Jenkins or a Hudson over REST: sessions, paths, and what can go wrong."""
