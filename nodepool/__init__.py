"""Single-use nodes: keeps machines of several clouds ready, one build each."""

__version__ = "0.1.0"
