"""What is written on nodes and images, and the commands that are run there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from nodepool.config.values import CloudConfig
from nodepool.drivers.provider_keys import make_key
from nodepool.errors import LaunchError
from nodepool.model import Node

FOLDER = "/etc/nodepool"
SCRIPTS = "/opt/nodepool-scripts"
PATH = "/usr/local/sbin:/sbin:/usr/sbin:/usr/local/bin:/bin:/usr/bin"
#: of one file of script-dir
MOST_BYTES = 64 << 20


def node_files(node: Node, cloud: CloudConfig) -> list[dict[str, bytes]]:
    """The files of each machine, by path."""
    private, public = make_key()
    first, *others = node.machines
    place = {
        "PROVIDER": node.provider,
        "CLOUD": cloud.cloud,
        "REGION": cloud.region_name,
        "AZ": node.az,
    }
    common = {
        "primary_node": f"{first.ip or ''}\n",
        "primary_node_private": f"{first.ip_private or ''}\n",
        "sub_nodes": "".join(f"{each.ip or ''}\n" for each in others),
        "sub_nodes_private": "".join(f"{each.ip_private or ''}\n" for each in others),
        "id_rsa": private,
        "id_rsa.pub": f"{public}\n",
        "provider": "".join(f"NODEPOOL_{name}={value or ''}\n" for name, value in place.items()),
    }
    files = []
    for index, machine in enumerate(node.machines):
        own = {
            "role": "sub\n" if index else "primary\n",
            "node": f"{machine.ip or ''}\n",
            "node_private": f"{machine.ip_private or ''}\n",
            "uuid": f"{machine.server_id or ''}\n",
        }
        rows = {**common, **own}
        files.append({f"{FOLDER}/{name}": text.encode() for name, text in rows.items()})
    return files


def script_command(script: str, hostname: str, environment: Mapping[str, str]) -> str:
    """`environment`: its NODEPOOL_ variables go along."""
    words = [
        f"{name}={value}" for name, value in environment.items() if name.startswith("NODEPOOL_")
    ]
    return f"cd {SCRIPTS} && env {shlex.join([*words, f'./{script}', hostname])}"


def read_scripts(folder: str) -> dict[str, bytes]:
    """The regular files of script-dir, under `scripts/`. Raises LaunchError."""
    found = {}
    try:
        for path in sorted(Path(folder).iterdir()):
            if path.is_file():
                if path.stat().st_size > MOST_BYTES:
                    raise LaunchError(f"{path} is larger than {MOST_BYTES} bytes")
                found[f"scripts/{path.name}"] = path.read_bytes()
    except OSError as error:
        raise LaunchError(f"script-dir cannot be read: {error}") from error
    return found
