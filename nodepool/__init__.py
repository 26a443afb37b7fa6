"""Single-use nodes; their part of the suite follows in an issue of its own."""
