"""Sphinx settings; warnings are errors."""

project = "Zuul suite"
author = "The Zuul suite's authors"
copyright = "the Zuul suite's authors, Apache License 2.0"
html_theme = "furo"
html_title = "Zuul suite"
exclude_patterns: list[str] = []
nitpicky = False
