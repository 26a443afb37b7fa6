"""Logging: the operator's configuration file, and what keeps a log line honest.

Text from outside (branch names, comments, a worker's answers) ends up in log records. Every handler
gets a SafeFormatter, so that whatever is logged, by us or a library, cannot forge a line, send a
terminal escapes, or show a secret of the configuration.
"""

from __future__ import annotations

import configparser
import logging
import logging.config
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import STARS, Secret

DEFAULT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: shorter texts are not hidden: they would punch holes into innocent words
MIN_HIDDEN_LENGTH = 4
MAX_FIELD_LENGTH = 1024

#: control characters, line ends of Unicode, and what turns text around
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNSAFE_IN_FIELD = re.compile(_UNSAFE.pattern[:-1] + r"\t\n]")
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')
#: begins every further line of a record, so that it is never taken for a record of its own
_INDENT = "    "


def fields(**values: object) -> str:
    """`pipeline=gate change=1,2`: what a record is about; None is left out, order is kept."""
    shown = [(key, value) for key, value in values.items() if value is not None]
    return " ".join([f"{key}={_field_text(value)}" for key, value in shown])


def _field_text(value: object) -> str:
    text = str(value)
    if text.isalnum() and len(text) <= MAX_FIELD_LENGTH:
        return text
    if len(text) > MAX_FIELD_LENGTH:
        text = text[:MAX_FIELD_LENGTH] + "..."
    if _UNSAFE_IN_FIELD.search(text):
        text = _UNSAFE_IN_FIELD.sub(_escape, text)
    if _NEEDS_QUOTES.search(text):
        text = '"' + text.replace('"', '\\"') + '"'
    return text


def escape_controls(text: str) -> str:
    """`text` on lines of its own that no reader mistakes for other records."""
    if _UNSAFE.search(text):
        text = _UNSAFE.sub(_escape, text)
    return text.replace("\n", "\n" + _INDENT) if "\n" in text else text


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", "surrogatepass").decode("ascii")


class Redactor:
    """Replaces texts by stars; reading is free of locks, as the pattern is swapped whole."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, secrets: Iterable[Secret]) -> None:
        """Hide these too, also as they look in a URL."""
        for secret in secrets:
            text = secret.reveal()
            if len(text) >= MIN_HIDDEN_LENGTH:
                self._hidden |= {text, quote(text, safe=""), quote_plus(text)}
        longest_first = sorted(self._hidden, key=lambda text: (-len(text), text))
        if longest_first:
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        return self._pattern.sub(STARS, text) if self._pattern else text


_redactor = Redactor()
#: hide secrets in all logs of this process, from now on
hide = _redactor.hide
redact = _redactor.redact


class SafeFormatter(logging.Formatter):
    """The operator's formatter, with message and trace made harmless."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter(DEFAULT_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        copy = logging.makeLogRecord(record.__dict__)
        copy.msg, copy.args = escape_controls(record.getMessage()), None
        # The trace is added here and not by the inner formatter: an exception's text may come from
        # outside as well.
        copy.exc_info = copy.exc_text = copy.stack_info = None
        parts = [self._inner.format(copy)]
        if record.exc_info:
            parts.append(_INDENT + escape_controls(self._inner.formatException(record.exc_info)))
        if record.stack_info:
            parts.append(_INDENT + escape_controls(self._inner.formatStack(record.stack_info)))
        return redact("\n".join(parts))


#: what a person's logging file can go wrong with; its `args` are Python expressions
_FILE_ERRORS = (
    configparser.Error,
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_STDERR = f"""\
[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=simple
[logger_root]
level=DEBUG
handlers=console
[handler_console]
class=StreamHandler
formatter=simple
args=(sys.stderr,)
[formatter_simple]
format={DEFAULT_FORMAT}
"""
#: the text of the last file that could be used
_last_good = _STDERR


def configure(path: str | os.PathLike[str] | None) -> None:
    """Log as the file at `path` says; None: everything to stderr.

    Raises ConfigError if the file cannot be used; the log then goes on as before.
    """
    global _last_good
    text = _STDERR if path is None else _read(Path(path))
    try:
        _apply(text)
    except _FILE_ERRORS as error:
        _apply(_last_good)
        raise ConfigError([Problem(str(path), 0, "", _explain(error))]) from error
    _last_good = text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error}")]) from error


def _apply(text: str) -> None:
    # Compat: what Python 2's parser read, with `;` comments inside lines and options given twice.
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, inline_comment_prefixes=(";",)
    )
    parser.read_string(text)
    # fileConfig leaves alone what an earlier file said of loggers that this one does not name.
    for logger in _loggers():
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    logging.config.fileConfig(parser, disable_existing_loggers=False)
    for logger in [logging.getLogger(), *_loggers()]:
        for handler in logger.handlers:
            _make_safe(handler)


def _loggers() -> list[logging.Logger]:
    known = list(logging.getLogger().manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _make_safe(handler: logging.Handler) -> None:
    if not isinstance(handler.formatter, SafeFormatter):
        handler.setFormatter(SafeFormatter(handler.formatter or logging.Formatter()))
    target = getattr(handler, "target", None)
    if isinstance(target, logging.Handler):
        _make_safe(target)


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"has no {error.args[0]!r}" if error.args else "lacks a section or option"
    return f"cannot be used: {type(error).__name__}: {error}"
