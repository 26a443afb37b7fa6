"""A real Gerrit 3.9.4 on loopback, for contract and acceptance tests.

The site is initialised and set up once (accounts, labels, rights) and kept as a template below
the user's cache folder; every start copies it, so that a start costs the daemon's time only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import asyncssh
import requests

from tests.sandbox.developer import Developer
from tests.sandbox.endpoint import GerritEndpoint, Identity, write_private

VERSION = "3.9.4"
#: Part of the template's name: raise it when what `_set_up` does changes.
TEMPLATE_REVISION = 1
PASSWORD = "secret"
FAST_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]
START_SECONDS = 120
#: Accounts besides `admin`: username -> (full name, email, groups).
PEOPLE = {
    "zuul": ("Zuul CI", "zuul@example.org", ["Service Users"]),
    "dev": ("Dana Developer", "dev@example.org", []),
    "core": ("Cora Reviewer", "core@example.org", ["Administrators"]),
}
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


def free_port() -> int:
    """A loopback port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


class RealGerrit:
    """One running Gerrit in a folder of its own; start() and stop(), or a `with` block."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="real-gerrit-"))
        self.site = self._folder / "site"
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint: GerritEndpoint

    def __enter__(self) -> RealGerrit:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> RealGerrit:
        """Copy the template (made first if need be) and run the daemon on free ports."""
        try:
            template = ensure_template()
            shutil.copytree(template, self._folder, dirs_exist_ok=True)
            self._run_daemon()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the daemon and remove its folder; may be called twice."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_project(
        self,
        name: str,
        submit_type: str = "MERGE_IF_NECESSARY",
        files: Mapping[str, str] | None = None,
    ) -> None:
        """A repository whose master has one empty commit, and one with `files` if given."""
        body = {"create_empty_commit": True, "submit_type": submit_type}
        path = f"/projects/{quote(name, safe='')}"
        answer = self.endpoint.rest("admin", "PUT", path, body)
        if answer.status != 201:
            raise RuntimeError(f"project {name}: HTTP {answer.status} {answer.text}")
        if files:
            admin = Developer(self.endpoint, "admin", self._folder / "admin")
            tree = admin.start(name)
            admin.commit(name, "Add the first files", files)
            admin.git(tree, "push", "-q", "origin", "HEAD:refs/heads/master")

    def create_branch(self, project: str, branch: str, revision: str = "master") -> None:
        path = f"/projects/{quote(project, safe='')}/branches/{quote(branch, safe='')}"
        answer = self.endpoint.rest("admin", "PUT", path, {"revision": revision})
        if answer.status != 201:
            raise RuntimeError(f"branch {branch}: HTTP {answer.status} {answer.text}")

    def _run_daemon(self) -> None:
        self._process, self.endpoint = _start_daemon(self.site, self._folder / "keys")


def _start_daemon(site: Path, keys: Path) -> tuple[subprocess.Popen[bytes], GerritEndpoint]:
    ssh_port, http_port = free_port(), free_port()
    url = f"http://127.0.0.1:{http_port}"
    _configure(site, ssh_port, url)
    war = site / "bin" / "gerrit.war"
    command = ["java", *FAST_JVM, "-jar", str(war), "daemon", "-d", str(site), "--console-log"]
    log_path = site / "logs" / "console.log"
    log_path.parent.mkdir(exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await_ready(process, url, log_path)
    except BaseException:
        _end(process)
        raise
    known_hosts = site / "known_hosts"
    public = (site / "etc" / "ssh_host_ed25519_key.pub").read_text().split()
    known_hosts.write_text(f"[127.0.0.1]:{ssh_port} {public[0]} {public[1]}\n")
    return process, GerritEndpoint("127.0.0.1", ssh_port, url, known_hosts, _identities(keys))


def _configure(site: Path, ssh_port: int, url: str) -> None:
    settings = {
        "gerrit.canonicalWebUrl": f"{url}/",
        "httpd.listenUrl": f"{url}/",
        "sshd.listenAddress": f"127.0.0.1:{ssh_port}",
        "sendemail.enable": "false",
        "sshd.threads": "4",
        "index.batchThreads": "1",
        "user.name": "Gerrit Code Review",
    }
    for key, value in settings.items():
        _git(["config", "-f", str(site / "etc" / "gerrit.config"), key, value])


def _await_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = log_path.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"Gerrit ended with {process.returncode} while starting: {tail}")
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/config/server/version", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"Gerrit was not ready after {START_SECONDS} s, see {log_path}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


# -- the template ------------------------------------------------------------------------------


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
        _make_key(keys / username)
    options = ["--batch", "--dev", "--no-auto-start", "-d", str(site)]
    subprocess.run(
        ["java", *FAST_JVM, "-jar", str(war), "init", *options],
        capture_output=True,
        timeout=300,
        check=True,
    )
    process, endpoint = _start_daemon(site, keys)
    try:
        _set_up_accounts(endpoint, keys)
        _set_up_labels(endpoint, folder)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            _end(process)
    shutil.rmtree(site / "logs", ignore_errors=True)


def _make_key(path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519", comment=path.name)
    write_private(path, key.export_private_key().decode())
    path.with_suffix(".pub").write_bytes(key.export_public_key())


def _identities(keys: Path) -> dict[str, Identity]:
    admin = Identity("admin", "Administrator", "admin@example.com", keys / "admin", PASSWORD)
    others = {
        username: Identity(username, name, email, keys / username, PASSWORD)
        for username, (name, email, _groups) in PEOPLE.items()
    }
    return {"admin": admin, **others}


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
    _git(["init", "-q", str(tree)])
    _git(["fetch", "-q", url, "refs/meta/config"], tree, environment)
    _git(["checkout", "-q", "FETCH_HEAD"], tree, environment)
    config = tree / "project.config"
    config.write_text(config.read_text() + LABELS)
    for section, key, value in GRANTS:
        _git(["config", "-f", str(config), "--add", f"access.{section}.{key}", value])
    _git(["commit", "-q", "-a", "-m", "Add labels, requirements and rights"], tree, environment)
    _git(["push", "-q", url, "HEAD:refs/meta/config"], tree, environment)
    shutil.rmtree(tree)


def _git(
    arguments: list[str], folder: Path | None = None, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.decode(errors='replace')}")


def describe(gerrit: RealGerrit) -> str:
    """One JSON line for a person who wants to log in by hand."""
    endpoint = gerrit.endpoint
    return json.dumps({"url": endpoint.http_url, "ssh_port": endpoint.ssh_port})
