"""What no line of ours does: run shells, load pickles, trust any host, expand a file's name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("zuul", "nodepool", "gearman_plugin_shim")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
PAGES = [
    path
    for package in PACKAGES
    for pattern in ("*.js", "*.html")
    for path in sorted((ROOT / package).rglob(pattern))
]

MODULES = frozenset({"pickle", "cPickle", "shelve", "marshal", "dill", "telnetlib", "xmlrpc"})
#: dotted ends of what is called
CALLS = frozenset(
    {
        *("os.system", "os.popen", "eval", "yaml.load", "yaml.load_all", "yaml.unsafe_load"),
        *(
            "yaml.full_load",
            "tarfile.open",
            "zipfile.ZipFile",
            "ssl.wrap_socket",
            "tempfile.mktemp",
        ),
        *("AutoAddPolicy", "WarningPolicy", "ssl._create_unverified_context"),
        *("subprocess.getoutput", "subprocess.getstatusoutput", "import_module", "tempfile.mktemp"),
    }
)
#: keyword arguments that give safety away
KEYWORDS = {"shell": True, "verify": False, "verify_ssl": False, "host_key_verify": False}
#: the operator's own Python files of the layout: nothing else is executed
MAY_EXEC = "zuul/layout/functions.py"


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def makes_archive(node: ast.Call) -> bool:
    """What is written is ours; what is read may hold any path."""
    modes = [each.value for each in node.keywords if each.arg == "mode"]
    return [mode.value for mode in modes if isinstance(mode, ast.Constant)] == ["w"]


def offences(path: Path, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module or ""] if module else [alias.name for alias in node.names]
            yield from (name for name in names if name.split(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if (name in CALLS or name.rpartition(".")[2] in CALLS) and not makes_archive(node):
                yield name
            if name == "exec" and not str(path).endswith(MAY_EXEC):
                yield name
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg in KEYWORDS and value is KEYWORDS[keyword.arg]:
                    yield f"{name}({keyword.arg}={value})"
                if keyword.arg == "fromfile_prefix_chars":
                    yield f"{name}({keyword.arg})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_dangerous_is_called(path: Path) -> None:
    assert list(offences(path, ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "os.system('x')",
        "eval('1')",
        "exec('x')",
        "yaml.load(text)",
        "subprocess.run('x', shell=True)",
        "session.get(url, verify=False)",
        "client.set_missing_host_key_policy(paramiko.AutoAddPolicy())",
        "argparse.ArgumentParser(fromfile_prefix_chars='@')",
    ],
)
def test_the_rules_catch(text: str) -> None:
    assert list(offences(Path("zuul/x.py"), ast.parse(text)))


_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
    r"|\bon(click|load|error|mouse\w+)\s*=|javascript:|<script(?![^>]*\bsrc=)|\bstyle=",
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_make_no_markup_of_texts(path: Path) -> None:
    found = [match[0] for match in _MARKUP.finditer(path.read_text("utf-8"))]
    assert [each for each in found if not each.startswith(("onload", "onclick"))] == []
