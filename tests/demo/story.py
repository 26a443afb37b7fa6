"""What the demo's developers do: two projects, four changes, one of which must not merge.

A renames a function of the library. B, in the app, calls it by its old name. Each passes its own
check; together they break. C adds a function to the library, D uses it from the app and says so
with Depends-On.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LIBRARY = "acme/library"
APP = "acme/app"

#: a work tree's files by path
Files = Mapping[str, str]

_CHECK = """\
import importlib
import pkgutil
import sys

sys.path[:0] = sys.argv[1:]
for name in sorted({module.name for module in pkgutil.iter_modules(sys.argv[1:])} - {"check"}):
    importlib.import_module(name)
    print("ok", name)
"""

START: Mapping[str, Files] = {
    LIBRARY: {
        "greeting.py": 'def greet(name):\n    return "Hello, " + name\n\n\n'
        'assert greet("Ada") == "Hello, Ada"\n',
        "check.py": _CHECK,
    },
    APP: {
        "app_main.py": "import greeting\n\nassert greeting\n",
        "check.py": _CHECK,
    },
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One change that somebody will push."""

    letter: str
    project: str
    subject: str
    files: Files
    #: letter of the change that its Depends-On names
    depends_on: str | None = None
    merges: bool = field(default=True)


CHANGES = (
    Planned(
        "A",
        LIBRARY,
        "Rename greet to welcome",
        {
            "greeting.py": 'def welcome(name):\n    return "Hello, " + name\n\n\n'
            'assert welcome("Ada") == "Hello, Ada"\n'
        },
    ),
    Planned(
        "B",
        APP,
        "Greet Grace at the start",
        {"app_grace.py": 'from greeting import greet\n\nassert greet("Grace") == "Hello, Grace"\n'},
        merges=False,
    ),
    Planned(
        "C",
        LIBRARY,
        "Add a way to say goodbye",
        {"parting.py": 'def part(name):\n    return "Goodbye, " + name\n'},
    ),
    Planned(
        "D",
        APP,
        "Say goodbye at the end",
        {"app_end.py": 'from parting import part\n\nassert part("Ada") == "Goodbye, Ada"\n'},
        depends_on="C",
    ),
)

#: the label of the nodes that builds run on
LABEL = "worker"
#: what the layout includes: each node for one build
FUNCTIONS = """\
def single_use(item, job, params):
    params["OFFLINE_NODE_WHEN_COMPLETE"] = "1"
"""
#: the same where there are no nodes to use up
NO_FUNCTIONS = """\
def single_use(item, job, params):
    pass
"""

LAYOUT = """\
includes:
  - python-file: functions.py

pipelines:
  - name: check
    description: Every new patch set, on its own.
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: patchset-created
    success:
      gerrit: {Verified: 1}
    failure:
      gerrit: {Verified: -1}

  - name: gate
    description: Approved changes, each on top of those ahead of it.
    manager: DependentPipelineManager
    precedence: high
    require: {open: true, current-patchset: true}
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Workflow: 1}]
    start:
      gerrit: {Verified: 0}
    success:
      gerrit: {Verified: 2, submit: true}
    failure:
      gerrit: {Verified: -2}

jobs:
  - name: ^.*$
    parameter-function: single_use
  - name: integration
    queue-name: acme

projects:
  - name: acme/library
    check: [library-unit, integration]
    gate: [library-unit, integration]
  - name: acme/app
    check: [integration]
    gate: [integration]
"""
