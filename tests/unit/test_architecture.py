"""Who may import whom, and what the code may not do: the rules of the design, over `ast`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("zuul", "nodepool", "gearman_plugin_shim")

#: of a part: what it may import of ours, besides itself
ALLOWED: dict[str, tuple[str, ...]] = {
    "zuul.model": ("zuul.model",),
    "zuul.core": ("zuul.model", "zuul.errors", "zuul.lib.wire"),
    "zuul.layout": ("zuul.model", "zuul.errors", "zuul.lib"),
    "zuul.drivers": (
        "zuul.model",
        "zuul.core.events",
        "zuul.core.commands",
        "zuul.core.urls",
        "zuul.core.views",
        "zuul.errors",
        "zuul.lib",
    ),
    "zuul.merger": ("zuul.model", "zuul.errors", "zuul.lib"),
    "zuul.cloner": ("zuul.model", "zuul.errors", "zuul.lib"),
    "zuul.client": ("zuul.config", "zuul.errors", "zuul.lib"),
    "zuul.config": ("zuul.errors", "zuul.lib"),
    "zuul.errors": ("zuul.lib.problems",),
    "zuul.lib": ("zuul.lib", "zuul.errors"),
    "nodepool.model": (),
    "nodepool.naming": (),
    "nodepool.errors": ("zuul.lib.sql.errors",),
    "nodepool.core": (
        "nodepool.model",
        "nodepool.errors",
        "nodepool.naming",
        "nodepool.config.values",
    ),
    "nodepool.config": ("nodepool.naming", "zuul.lib"),
}

#: what a pure part may not touch: time, chance, threads, the outside
IMPURE = frozenset(
    (
        *("time", "datetime", "random", "uuid", "secrets", "logging"),
        *("threading", "queue", "asyncio", "os", "socket", "subprocess"),
    )
)
PURE = (
    *("zuul.model", "zuul.core", "nodepool.model", "nodepool.naming", "nodepool.core"),
    *("nodepool.aliens", "nodepool.alien_computers"),
    *(
        f"gearman_plugin_shim.{name}"
        for name in (
            *("model", "events", "commands", "state", "bridge", "masters", "groups", "builds"),
            *("seeking", "runs", "numbers", "offline", "errands", "rows", "payload"),
            *("labels", "functions", "availability"),
        )
    ),
)

#: files that may catch everything: thread boundaries, commands, and the sites' own functions
CATCH_ALL = ("zuul/lib/workers.py", "zuul/core/parameters.py")

#: third-party clients stand in one place each
CLIENTS: dict[str, tuple[str, ...]] = {
    "gear": ("zuul/lib/gearman",),
    "paramiko": ("zuul/drivers/gerrit", "nodepool/drivers/ssh"),
    "novaclient": ("nodepool/drivers/nova",),
    "git": ("zuul/lib/git.py",),
    "pygit2": ("zuul/merger",),
    "aiohttp": (
        *("zuul/daemon", "zuul/lib/web", "nodepool/daemon"),
        "gearman_plugin_shim/events_http.py",
    ),
    "jenkins": ("zuul/lib/jenkins",),
}

MOST_LINES = 350
MOST_FUNCTION_LINES = 70


def sources() -> list[Path]:
    return sorted(
        path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.exists()
    )


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of imported modules; of `from package import module` both ways of reading it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def is_within(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def part_of(module: str) -> str | None:
    return next((part for part in ALLOWED if is_within(module, part)), None)


def complaints(path: Path, tree: ast.AST) -> Iterator[str]:
    module = module_name(path)
    part = part_of(module)
    for name, line in imports(tree):
        where = f"{path.relative_to(ROOT)}:{line}: imports {name}"
        top = name.split(".", maxsplit=1)[0]
        if top in PACKAGES:
            if part is not None and not any(
                is_within(name, allowed) for allowed in (part, *ALLOWED[part])
            ):
                yield where
            if not is_within(module, "zuul") and not (
                is_within(name, module.split(".", maxsplit=1)[0]) or is_within(name, "zuul.lib")
            ):
                yield where
            if is_within(module, "zuul.daemon") and is_within(name, "zuul.cmd"):
                yield where
            if is_within(module, "zuul.cmd") and is_within(name, "zuul.core"):
                yield where
        elif is_impure(module, top) or is_misplaced(path, top):
            yield where


def is_impure(module: str, imported: str) -> bool:
    return imported in IMPURE and any(is_within(module, part) for part in PURE)


def is_misplaced(path: Path, imported: str) -> bool:
    return not str(path.relative_to(ROOT)).startswith(CLIENTS.get(imported, ""))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_the_rules(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    found = list(complaints(path, tree))
    found += list(catch_alls(path, tree))
    found += [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} is too long"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    ]
    lines = text.count("\n")
    if lines > MOST_LINES:
        found.append(f"{path.relative_to(ROOT)}: {lines} lines")
    assert found == []


def catch_alls(path: Path, tree: ast.AST) -> Iterator[str]:
    relative = str(path.relative_to(ROOT))
    if relative in CATCH_ALL or "/cmd/" in relative:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        ):
            if isinstance(last := node.body[-1], ast.Raise) and last.exc is None:
                continue  # cleans up, and lets it pass
            yield f"{relative}:{node.lineno}: catches everything"


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("zuul/core/x.py", "import time"),
        ("zuul/core/x.py", "from zuul.lib import clock"),
        ("zuul/core/x.py", "from zuul.daemon.inbox import Inbox"),
        ("zuul/model/x.py", "from zuul.core import events"),
        ("zuul/drivers/x.py", "from zuul.core.scheduler import Scheduler"),
        ("zuul/layout/x.py", "import paramiko"),
        ("gearman_plugin_shim/bridge.py", "import time"),
        ("nodepool/x.py", "from zuul.model import change"),
        ("nodepool/core/x.py", "from nodepool.config import read_config"),
        ("nodepool/core/x.py", "import time"),
        ("nodepool/model.py", "from nodepool.core import events"),
        ("zuul/cmd/x.py", "from zuul.core.scheduler import Scheduler"),
    ],
)
def test_the_rules_catch(module: str, text: str) -> None:
    assert list(complaints(ROOT / module, ast.parse(text)))


def test_the_rules_see_the_code() -> None:
    assert len(sources()) > 50
