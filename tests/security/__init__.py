"""The check-list of doc/source/developer/security.rst, as far as no other test has its lines."""
