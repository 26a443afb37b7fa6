"""The sans-IO scheduler: a function of (state, events, now) to commands."""
