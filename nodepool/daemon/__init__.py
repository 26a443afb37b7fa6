"""The imperative shell: threads and edges around the core (nodepool/core)."""
