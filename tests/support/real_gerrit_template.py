"""The site a real Gerrit starts from: initialised and set up once, kept in the user's cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.sandbox.endpoint import GerritEndpoint
from tests.sandbox.keys import ensure_key
from tests.support.real_gerrit_daemon import FAST_JVM, PASSWORD, PEOPLE, end, run_git, start_daemon

VERSION = "3.9.4"
#: Part of the template's name: raise it when what is set up here changes.
TEMPLATE_REVISION = 1
LABELS = """
[label "Verified"]
	function = NoBlock
	defaultValue = 0
	value = -2 Fails
	value = -1 Does not seem to work
	value = 0 No score
	value = +1 Works for me
	value = +2 Verified
[label "Workflow"]
	function = NoBlock
	defaultValue = 0
	value = -1 Work in progress
	value = 0 Ready for reviews
	value = +1 Approved
[submit-requirement "Verified"]
	submittableIf = label:Verified=MAX AND -label:Verified=MIN
[submit-requirement "Workflow"]
	submittableIf = label:Workflow=MAX AND -label:Workflow=MIN
"""
GRANTS = (
    ("refs/heads/*", "label-Verified", "-2..+2 group Service Users"),
    ("refs/heads/*", "label-Verified", "-2..+2 group Administrators"),
    ("refs/heads/*", "label-Workflow", "-1..+1 group Administrators"),
    ("refs/heads/*", "label-Workflow", "-1..+1 group Service Users"),
    ("refs/heads/*", "label-Code-Review", "-2..+2 group Service Users"),
    ("refs/heads/*", "submit", "group Service Users"),
    ("refs/heads/*", "push", "group Service Users"),
    ("refs/heads/*", "create", "group Service Users"),
    ("refs/heads/*", "abandon", "group Administrators"),
    ("refs/tags/*", "create", "group Service Users"),
)


class RealGerritUnavailable(Exception):
    """This machine cannot run the real Gerrit; the text says what lacks."""


def ensure_template() -> Path:
    """The folder with a set-up site and key files; made under a lock if it is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "zuul-tests"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    template = base / f"gerrit-{VERSION}-{TEMPLATE_REVISION}"
    with (base / "gerrit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            war = find_war()
            with _fresh_folder(base) as making:
                _initialise(war, making)
                making.rename(template)
        elif shutil.which("java") is None:
            raise RealGerritUnavailable("the real Gerrit needs java, which is not installed")
    return template


@contextlib.contextmanager
def _fresh_folder(base: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="making-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(war: Path, folder: Path) -> None:
    site, keys = folder / "site", folder / "keys"
    keys.mkdir(mode=0o700)
    for username in ("admin", *PEOPLE):
        ensure_key(keys / username)
    options = ["--batch", "--dev", "--no-auto-start", "-d", str(site)]
    subprocess.run(
        ["java", *FAST_JVM, "-jar", str(war), "init", *options],
        capture_output=True,
        timeout=300,
        check=True,
    )
    process, endpoint = start_daemon(site, keys)
    try:
        _set_up_accounts(endpoint, keys)
        _set_up_labels(endpoint, folder)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            end(process)
    shutil.rmtree(site / "logs", ignore_errors=True)


def _set_up_accounts(endpoint: GerritEndpoint, keys: Path) -> None:
    key = (keys / "admin.pub").read_text()
    answer = requests.post(
        f"{endpoint.http_url}/a/accounts/self/sshkeys",
        data=key,
        headers={"Content-Type": "text/plain"},
        auth=("admin", PASSWORD),
        timeout=30,
    )
    answer.raise_for_status()
    for username, (name, email, groups) in PEOPLE.items():
        body = {
            "name": name,
            "email": email,
            "ssh_key": (keys / f"{username}.pub").read_text(),
            "http_password": PASSWORD,
            "groups": groups,
        }
        made = endpoint.rest("admin", "PUT", f"/accounts/{username}", body)
        if made.status != 201:
            raise RuntimeError(f"account {username}: HTTP {made.status} {made.text}")


def _set_up_labels(endpoint: GerritEndpoint, folder: Path) -> None:
    """One commit on All-Projects' refs/meta/config: labels, submit requirements, rights."""
    tree = folder / "all-projects"
    environment = endpoint.git_environment("admin")
    url = endpoint.ssh_url("admin", "All-Projects")
    run_git(["init", "-q", str(tree)])
    run_git(["fetch", "-q", url, "refs/meta/config"], tree, environment)
    run_git(["checkout", "-q", "FETCH_HEAD"], tree, environment)
    config = tree / "project.config"
    config.write_text(config.read_text() + LABELS)
    for section, key, value in GRANTS:
        run_git(["config", "-f", str(config), "--add", f"access.{section}.{key}", value])
    run_git(["commit", "-q", "-a", "-m", "Add labels, requirements and rights"], tree, environment)
    run_git(["push", "-q", url, "HEAD:refs/meta/config"], tree, environment)
    shutil.rmtree(tree)


def find_war() -> Path:
    """The Gerrit war, fetched by Maven when it is not in the local repository yet.

    Raises RealGerritUnavailable without Java, or without Maven when a fetch is needed.
    """
    if shutil.which("java") is None:
        raise RealGerritUnavailable("the real Gerrit needs java, which is not installed")
    folder = Path.home() / ".m2/repository/com/google/gerrit/gerrit-war" / VERSION
    war = folder / f"gerrit-war-{VERSION}.war"
    if war.exists():
        return war
    if shutil.which("mvn") is None:
        raise RealGerritUnavailable(f"fetching Gerrit {VERSION} needs mvn, which is not installed")
    coordinates = f"com.google.gerrit:gerrit-war:{VERSION}:war"
    goal = ["dependency:get", f"-Dartifact={coordinates}", "-Dtransitive=false"]
    fetched = subprocess.run(
        ["mvn", "-q", "-B", *goal], capture_output=True, text=True, timeout=600, check=False
    )
    if fetched.returncode != 0 or not war.exists():
        raise RealGerritUnavailable(f"Maven could not fetch {coordinates}: {fetched.stdout[-500:]}")
    return war
