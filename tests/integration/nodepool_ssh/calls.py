"""What the SSH edge is asked for, of servers of the sandbox cloud."""

from __future__ import annotations

from typing import Any

from nodepool.core import commands
from nodepool.model import MachineKey
from tests.integration.nova_client import Client

KEY = MachineKey("node", 7)


def address_of(server: Any) -> str:
    return str(server.addresses["private"][0]["addr"])


def connect(client: Client, server: Any, **more: Any) -> commands.Connect:
    words = {"timeout_seconds": 20.0, "username": "root", "keypair": None, **more}
    return commands.Connect(KEY, address_of(server), private_key=str(client.key_file), **words)
