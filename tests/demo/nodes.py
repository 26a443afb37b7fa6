"""The demo's nodes: a sandbox cloud, and a nodepoold that gives the masters servers of it."""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.sandbox.nova_process import CloudProcess
from tests.support.masters import TOKEN, USER, Masters
from tests.support.nodepool_files import make_key
from tests.support.processes import REST_SECONDS, ROOT
from tests.support.suite import Suite

#: nodes that wait for builds, and servers at most
READY, MOST = 4, 8
#: an address that a server could have, and where SSH is
_ADDRESS = ("127.10.255.254", 22)
#: of <linux/sockios.h> and <net/if.h>
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_PREPARE = """\
#!/bin/sh -e
# Run once, on the server that the image is made of.
mkdir -p /home/jenkins/.ssh /etc/nodepool
chmod 0777 /etc/nodepool
echo '{key}' > /home/jenkins/.ssh/authorized_keys
"""
_READY = """\
#!/bin/sh -e
# Run on every node before it is ready.
cp /etc/nodepool/provider /tmp/where-am-i
"""
_CLOUD = (
    *("--quota", str(MOST + 1), "--boot-seconds", "0.3:0.8", "--ssh-seconds", "0.1"),
    *("--delete-seconds", "0.2", "--snapshot-seconds", "0.3"),
)


def why_not() -> str | None:
    """What keeps this machine from having sandbox servers; None: nothing does."""
    if shutil.which("unshare") is None:
        return "there is no program unshare"
    if not _may_mount(["unshare", "--mount", "--uts"]):
        return "it takes root and the right to mount"
    try:
        with socket.socket() as probe:
            probe.bind(_ADDRESS)
    except OSError as error:
        return f"{_ADDRESS[0]}:{_ADDRESS[1]} cannot be listened at ({error.strerror})"
    return None


def own_network() -> list[str] | None:
    """What, put before a command, makes its user root of a network and of mounts that nobody else
    sees; None: this machine does not let users do that."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
    if shutil.which(argv[0]) is None:
        return None
    return argv if _may_mount(argv) else None


def _may_mount(prefix: Sequence[str]) -> bool:
    command = [*prefix, "mount", "--bind", "/usr", "/usr"]
    tried = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
    return tried.returncode == 0


def raise_loopback() -> None:
    """In a new network even this is down."""
    flags = struct.pack("16sH14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, flags)


class Nodes:
    """start() and stop()."""

    def __init__(self, suite: Suite, masters: Masters, label: str, web_port: int) -> None:
        self._suite = suite
        self._masters = masters
        self._label = label
        self._web_port = web_port
        self._folder = suite.folder / "nodepool"
        shared = [word for path in _shared() for word in ("--shared", str(path))]
        self.cloud = CloudProcess(self._folder / "cloud", *_CLOUD, *shared)

    @property
    def url(self) -> str:
        """Of nodepoold's page."""
        return f"http://127.0.0.1:{self._web_port}"

    def start(self) -> None:
        self._folder.mkdir(parents=True)
        self.cloud.start()
        files = {"nodepool.yaml": yaml.safe_dump(self._yaml()), "secure.conf": self._secure()}
        for name, text in files.items():
            (self._folder / name).write_text(text)
            (self._folder / name).chmod(0o600)
        words = ["-d", "-c", self._folder / "nodepool.yaml", "-s", self._folder / "secure.conf"]
        words += ["-l", self._suite.log_config, "-p", self._folder / "nodepool.pid"]
        words += ["--web-address", "127.0.0.1", "--web-port", self._web_port]
        self._suite.start_program("nodepoold", "-m", "nodepool.cmd.nodepoold", *words)

    def stop(self) -> None:
        self.cloud.stop()

    def rows(self) -> list[dict[str, Any]]:
        """As nodepoold tells everybody; [] before it does."""
        try:
            answer = requests.get(f"{self.url}/node-list.json", timeout=REST_SECONDS)
        except requests.ConnectionError:
            return []
        found: list[dict[str, Any]] = answer.json() if answer.ok else []
        return found

    def names(self) -> set[str]:
        """Of all that there is: rows, servers, and the masters' computers."""
        found = {row["nodename"] for row in self.rows()}
        found |= {server["name"] for server in self.cloud.call("servers")}
        for name in self._masters.names:
            found |= set(self._masters.computers(name))
        return found

    def are_ready(self) -> bool:
        """Enough of them, and at each master one that is connected."""
        ready = sum(row["state"] == "ready" for row in self.rows())
        return ready >= READY and all(
            any(not row["offline"] for row in self._masters.computers(name).values())
            for name in self._masters.names
        )

    def _yaml(self) -> Mapping[str, Any]:
        scripts = self._folder / "scripts"
        scripts.mkdir()
        key_file = self._folder / "id_rsa"
        (scripts / "prepare.sh").write_text(_PREPARE.format(key=make_key(key_file)))
        (scripts / "ready.sh").write_text(_READY)
        account = self.cloud.account()
        image = {
            "name": self._label,
            "base-image": "base",
            "min-ram": 512,
            "setup": "prepare.sh",
            "private-key": str(key_file),
        }
        provider = {
            "name": "cloud",
            "auth-url": account.auth_url,
            "username": account.username,
            "password": account.password,
            "project-name": account.project_name,
            "region-name": account.region,
            "max-servers": MOST,
            "rate": 0.001,
            "images": [image],
        }
        label = {
            "name": self._label,
            "image": self._label,
            "min-ready": READY,
            "ready-script": "ready.sh",
            "providers": [{"name": "cloud"}],
        }
        return {
            "script-dir": str(scripts),
            "zmq-publishers": [f"tcp://127.0.0.1:{self._masters.zmq_port}"],
            "event-histories": [f"http://127.0.0.1:{self._masters.http_port}"],
            "gearman-servers": [{"host": "127.0.0.1", "port": self._suite.gearman_port}],
            "labels": [label],
            "providers": [provider],
            "targets": [
                {"name": name, "rate": 0.001, "delete-delay": 1} for name in self._masters.names
            ],
        }

    def _secure(self) -> str:
        sections = [f"[database]\ndburi=sqlite:///{self._folder}/nodepool.sqlite\n"]
        sections += [
            f'[jenkins "{name}"]\nurl=http://127.0.0.1:{port}/\nuser={USER}\napikey={TOKEN}\n'
            for name, port in self._masters.ports.items()
        ]
        return "\n".join(sections)


def _shared() -> list[Path]:
    """What builds need of this machine: the checkout, and the Python that runs it."""
    wanted = [ROOT, Path(sys.prefix), Path(sys.base_prefix)]
    found: list[Path] = []
    for path in wanted:
        if not any(path.is_relative_to(other) for other in (Path("/usr"), *found)):
            found.append(path)
    return found
