"""The gate: hears reviews, tests them in order, merges what passed."""

__version__ = "0.1.0"
