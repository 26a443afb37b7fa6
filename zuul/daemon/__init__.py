"""The imperative shell: threads, signals, files and drivers around the core."""
