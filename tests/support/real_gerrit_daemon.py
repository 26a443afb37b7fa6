"""Runs the daemon of a Gerrit site on free loopback ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

from tests.sandbox.endpoint import GerritEndpoint, Identity

PASSWORD = "secret"
FAST_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]
START_SECONDS = 120
#: Accounts besides `admin`: username -> (full name, email, groups).
PEOPLE = {
    "zuul": ("Zuul CI", "zuul@example.org", ["Service Users"]),
    "dev": ("Dana Developer", "dev@example.org", []),
    "core": ("Cora Reviewer", "core@example.org", ["Administrators"]),
}


def free_port() -> int:
    """A loopback port nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_daemon(site: Path, keys: Path) -> tuple[subprocess.Popen[bytes], GerritEndpoint]:
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
        end(process)
        raise
    known_hosts = site / "known_hosts"
    public = (site / "etc" / "ssh_host_ed25519_key.pub").read_text().split()
    known_hosts.write_text(f"[127.0.0.1]:{ssh_port} {public[0]} {public[1]}\n")
    return process, GerritEndpoint("127.0.0.1", ssh_port, url, known_hosts, identities(keys))


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
        run_git(["config", "-f", str(site / "etc" / "gerrit.config"), key, value])


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


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def identities(keys: Path) -> dict[str, Identity]:
    admin = Identity("admin", "Administrator", "admin@example.com", keys / "admin", PASSWORD)
    others = {
        username: Identity(username, name, email, keys / username, PASSWORD)
        for username, (name, email, _groups) in PEOPLE.items()
    }
    return {"admin": admin, **others}


def run_git(
    arguments: list[str], folder: Path | None = None, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.decode(errors='replace')}")
