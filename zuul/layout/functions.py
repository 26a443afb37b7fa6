"""Included Python files and the parameter functions they define: contract zuul.md 2.1 and 4.

The files are the operator's own and run with the scheduler's rights, once a load, in one shared
namespace. Whatever they raise becomes a problem of the layout with the file and the line.
"""

from __future__ import annotations

import hashlib
import inspect
import traceback
from pathlib import Path
from typing import Any

from yaml.nodes import Node

from zuul.layout.context import Context
from zuul.lib.modes import problem_of_writers
from zuul.lib.problems import Problem
from zuul.lib.yaml_fields import Fields


class LoadedFunction:
    """A parameter function, called with the item, the job and the parameters whatever it takes.

    Equal to one of the same name from the same files: a reload that changed nothing is no news.
    """

    __slots__ = ("_arguments", "_digest", "_function", "name")

    def __init__(self, name: str, function: Any, digest: str) -> None:
        self.name = name
        self._function = function
        self._digest = digest
        self._arguments = _arguments_of(function)

    def __call__(self, item: Any, job: Any, params: dict[str, Any]) -> Any:
        if self._arguments == "change":
            return self._function(item.change, params)
        if self._arguments == "item":
            return self._function(item, params)
        return self._function(item, job, params)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LoadedFunction):
            return NotImplemented
        return (self.name, self._digest) == (other.name, other._digest)

    def __hash__(self) -> int:
        return hash((self.name, self._digest))

    def __repr__(self) -> str:
        return f"LoadedFunction({self.name!r})"


def _arguments_of(function: Any) -> str:
    """`all`: f(item, job, params); with two, the first one's name tells 1.3's f(change, params)."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return "all"
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(places) != 2 or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return "all"
    return "change" if places[0].name == "change" else "item"


class Functions:
    """The namespace of the included files."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._namespace: dict[str, Any] = {"__name__": "zuul_layout_functions"}
        self._digest = hashlib.sha256()
        self._broken = False

    def include(self, node: Node) -> None:
        """Execute each `python-file`, in order."""
        document = self._context.document
        for item in document.one_or_more(node):
            fields = Fields(document, item, "a map with python-file")
            name = fields.require_text("python-file")
            fields.finish()
            if name:
                self._execute(name, item)
            else:
                self._broken = True

    def find(self, name: str, node: Node) -> LoadedFunction | None:
        function = self._namespace.get(name)
        if callable(function):
            return LoadedFunction(name, function, self._digest.hexdigest())
        if not self._broken:
            reason = "is in no included file" if function is None else "is no function"
            self._context.document.complain(node, f"{name!r} {reason}")
        return None

    def _execute(self, name: str, node: Node) -> None:
        document = self._context.document
        path = Path(name).expanduser()
        if not path.is_absolute():
            if self._context.base is None:
                self._broken = True
                document.complain(node, "cannot be found: the layout is in no folder")
                return
            path = self._context.base / path
        try:
            source = path.read_bytes()
        except OSError as error:
            self._broken = True
            document.complain(node, f"cannot read {path}: {error.strerror}")
            return
        if problem := problem_of_writers(path):
            document.warn(node, f"runs with the scheduler's rights, but {problem.text}")
        self._digest.update(len(source).to_bytes(8, "big") + source)
        self._namespace["__file__"] = str(path)
        try:
            exec(compile(source, str(path), "exec"), self._namespace)  # noqa: S102
        except (SyntaxError, ValueError) as error:
            self._refuse(path, _line_in(path, error), error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  the operator's code, any error
            self._refuse(path, _line_in(path, error), error)

    def _refuse(self, path: Path, line: int, error: BaseException) -> None:
        self._broken = True
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        self._context.document.add(Problem(str(path), line, "", text))


def _line_in(path: Path, error: BaseException) -> int:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return (lines[-1] if lines else 0) or 0
