"""The files of a nodepool site: nodepool.yaml, secure.conf, scripts, and its bridge's."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox.nova_account import Account
from tests.support.processes import find_free_port
from zuul.lib.modes import make_folder

USER, PASSWORD, TOKEN = "nodepool", "password", "11aabbccddeeff00112233445566778899"
LABEL = "trusty"


class NodepoolFiles:
    """What the files of nodepool say may be changed in `yaml` and `secure`; write_config() writes
    them."""

    def __init__(
        self,
        folder: Path,
        masters: Sequence[str],
        min_ready: int,
        max_servers: int,
        delete_delay: float,
    ) -> None:
        self.folder = folder
        self.masters = {name: find_free_port() for name in masters}
        self.gearman_port = find_free_port()
        self.zmq_port = find_free_port()
        self.events_port = find_free_port()
        self.web_port = find_free_port()
        self.yaml_path = folder / "nodepool.yaml"
        self.secure_path = folder / "secure.conf"
        self.log_path = folder / "logging.conf"
        self.dburi = f"sqlite:///{folder}/nodepool.sqlite"
        self.yaml: dict[str, Any] = {}
        self.secure: dict[str, dict[str, str]] = {}
        self._min_ready, self._max_servers = min_ready, max_servers
        self._delete_delay = delete_delay

    def write_config(self) -> None:
        """nodepool.yaml and secure.conf as they are now; each is replaced in one step."""
        sections = {"database": {"dburi": self.dburi}, **self.secure}
        text = "\n".join(
            f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items())
            for name, options in sections.items()
        )
        for path, content in (
            (self.yaml_path, yaml.safe_dump(self.yaml)),
            (self.secure_path, text),
        ):
            new = path.with_suffix(".new")
            new.write_text(content)
            new.chmod(0o600)
            new.replace(path)

    def settle(self, account: Account) -> None:
        """What the files say at first."""
        self._write_scripts(self.folder / "scripts")
        self.yaml = {
            "script-dir": str(self.folder / "scripts"),
            "zmq-publishers": [f"tcp://127.0.0.1:{self.zmq_port}"],
            "event-histories": [f"http://127.0.0.1:{self.events_port}"],
            "gearman-servers": [{"host": "127.0.0.1", "port": self.gearman_port}],
            "labels": [self.label(LABEL, self._min_ready)],
            "providers": [self._provider(account)],
            "targets": [
                {"name": name, "rate": 0.01, "delete-delay": self._delete_delay}
                for name in self.masters
            ],
        }
        self.secure = {
            f'jenkins "{name}"': {
                "url": f"http://127.0.0.1:{port}/",
                "user": USER,
                "apikey": TOKEN,
            }
            for name, port in self.masters.items()
        }

    def _write_scripts(self, scripts: Path) -> None:
        scripts.mkdir(exist_ok=True)
        key = make_key(self.folder / "id_rsa")
        ssh = "/home/jenkins/.ssh"
        (scripts / "prepare.sh").write_text(
            "#!/bin/sh -e\n"
            f"mkdir -p {ssh}\necho '{key}' > {ssh}/authorized_keys\n"
            "mkdir -p /etc/nodepool\nchmod 0777 /etc/nodepool\n"
        )
        (scripts / "ready.sh").write_text("#!/bin/sh -e\ncat /etc/nodepool/role > /tmp/role\n")

    def _provider(self, account: Account) -> dict[str, Any]:
        return {
            "name": "sandbox",
            "auth-url": account.auth_url,
            "username": account.username,
            "password": account.password,
            "project-name": account.project_name,
            "region-name": account.region,
            "max-servers": self._max_servers,
            "rate": 0.01,
            "boot-timeout": 30,
            "launch-timeout": 60,
            "images": [
                {
                    "name": LABEL,
                    "base-image": "base",
                    "min-ram": 512,
                    "setup": "prepare.sh",
                    "private-key": str(self.folder / "id_rsa"),
                }
            ],
        }

    def write_bridge_config(self) -> Path:
        """The bridge's file, and the folder it needs."""
        conf = self.folder / "shim.conf"
        make_folder(self.folder / "shim")
        sections = [
            f"[gearman]\nserver = 127.0.0.1\nport = {self.gearman_port}\n",
            f"[publisher]\nbind = tcp://127.0.0.1:{self.zmq_port}\n"
            f"http_host = 127.0.0.1\nhttp_port = {self.events_port}\n",
            f"[shim]\nstate_dir = {self.folder / 'shim'}\npidfile = {self.folder / 'shim.pid'}\n"
            f"log_config = {self.log_path}\n",
        ]
        sections += [
            f"[master {name}]\nurl = http://127.0.0.1:{port}/\nuser = {USER}\napikey = {TOKEN}\n"
            "poll = 0.3\njobs_poll = 1\n"
            for name, port in self.masters.items()
        ]
        conf.write_text("\n".join(sections))
        conf.chmod(0o600)
        return conf

    def label(self, name: str, min_ready: int, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "image": LABEL,
            "min-ready": min_ready,
            "ready-script": "ready.sh",
            "providers": [{"name": "sandbox"}],
            **more,
        }


def make_key(path: Path) -> str:
    """A new RSA key pair at `path`; the public half as authorized_keys has it."""
    words = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", str(path)]
    path.unlink(missing_ok=True)
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text().strip()
