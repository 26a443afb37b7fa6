"""A logging configuration for our programs as processes: all they say, on standard output."""

from __future__ import annotations

_REST = """
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
formatter = plain
args = (sys.stdout,)
[formatter_plain]
format = %(asctime)s %(levelname)s %(name)s: %(message)s
"""


def log_config(**levels: str) -> str:
    """The file's text. `levels`: of our own packages; the libraries' wire traffic drowns them."""
    parts = [f"[loggers]\nkeys = {','.join(['root', *levels])}{_REST}"]
    parts += [
        f"[logger_{name}]\nlevel = {level}\nqualname = {name}\nhandlers =\n"
        for name, level in levels.items()
    ]
    return "".join(parts)


#: nodepoold and its bridge: what nodepool does in full
NODEPOOL_LOG = log_config(nodepool="DEBUG", zuul="INFO")
