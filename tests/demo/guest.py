"""What a guest of a demo that stays finds ready: a clone that pushes, and a command that approves.

Both work without a git configuration of the guest's own.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.developer import Developer
from tests.sandbox.endpoint import GerritEndpoint

#: gives each new commit a Change-Id, as the hook that one gets from a Gerrit does
_HOOK = """\
#!/bin/sh
grep -q '^Change-Id: I' "$1" ||
git -c trailer.ifexists=doNothing interpret-trailers --in-place \\
    --trailer "Change-Id: I$( { cat "$1"; date +%s%N; echo $$; } | git hash-object --stdin)" "$1"
"""


@dataclass(frozen=True, slots=True)
class Guest:
    """`tree`: a clone of one project; `approve`: a program that takes a change's number."""

    tree: Path
    approve: Path

    def instructions(self, url: str, file: str) -> str:
        """What to type to see a change of one's own go through; `file` is in the tree."""
        return (
            f"Everything runs on. Open {url}/ and push a change of your own:\n\n"
            f"  cd {shlex.quote(str(self.tree))}\n"
            f"  echo '# mine' >> {shlex.quote(file)}\n"
            "  git commit -a -m 'My change'\n"
            "  git push origin HEAD:refs/for/master\n\n"
            "The push tells the change's number. Approve it, say it is 5, as a reviewer would:\n\n"
            f"  {shlex.quote(str(self.approve))} 5\n\n"
            "Ctrl-C ends it all."
        )


def welcome(folder: Path, endpoint: GerritEndpoint, project: str) -> Guest:
    """Prepare both below `folder`."""
    developer = Developer(endpoint, "dev", folder / "mine")
    tree = developer.start(project)
    developer.git(tree, "checkout", "-q", "-B", "master", "FETCH_HEAD")
    identity = endpoint.identity("dev")
    for key, value in (
        ("core.sshCommand", endpoint.git_environment("dev")["GIT_SSH_COMMAND"]),
        ("core.hooksPath", ".git/hooks"),
        ("user.name", identity.full_name),
        ("user.email", identity.email),
    ):
        developer.git(tree, "config", key, value)
    hooks = tree / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    _write_program(hooks / "commit-msg", _HOOK)
    approve = folder / "approve"
    command = "gerrit review --label Code-Review=2 --label Workflow=1"
    argv = shlex.join(endpoint.ssh_argv("core", command))
    _write_program(approve, f'#!/bin/sh\nexec {argv} "${{1:?number of a change}},${{2:-1}}"\n')
    return Guest(tree, approve)


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
