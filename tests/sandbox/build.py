"""What a Jenkins job of the sandbox runs as its shell step: fetch what the gate prepared, build.

`python -m tests.sandbox.build --git-base URL -- COMMAND...`: the projects are laid out side by side
below the current folder, as ZUUL_* of the environment say, and the command runs there. Ends with
the command's exit status, or 75 if something could not be fetched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.sandbox.workspace import Workspace, WorkspaceError, changed_projects, list_projects

#: EX_TEMPFAIL
CANNOT_FETCH = 75


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--git-base", required=True, help="where all other projects are")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    # A folder of its own: what is left of a build that was stopped may still be at work next door.
    here = Path.cwd() / f"build-{os.environ.get('BUILD_NUMBER', 'by-hand')}"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    parameters = {key: value for key, value in os.environ.items() if key.startswith("ZUUL_")}
    projects = [*changed_projects(parameters), *list_projects(options.git_base)]
    try:
        Workspace(here, options.git_base, parameters).prepare(projects)
    except WorkspaceError as error:
        print(error, file=sys.stderr)
        return CANNOT_FETCH
    return subprocess.run(options.command, cwd=here, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
