"""A leaf shared by all three packages: imports nothing of ours but itself."""
