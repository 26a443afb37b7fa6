"""Executor: which edge does which call of the core."""

from __future__ import annotations

from typing import Any

from nodepool.core import commands
from nodepool.core.commands import Call

CLOUD_CALLS = (
    commands.CreateServer,
    commands.DeleteServer,
    commands.ConfirmGone,
    commands.AttachAddress,
    commands.DeleteAddress,
    commands.ReadLimits,
    commands.TakeSnapshot,
    commands.DeleteImage,
    commands.DeleteKeypair,
)
SSH_CALLS = (
    commands.Connect,
    commands.PrepareNode,
    commands.ProbeNode,
    commands.PrepareImage,
)
TARGET_CALLS = (
    commands.RegisterNode,
    commands.AssignNode,
    commands.StartTestJob,
    commands.RelabelNode,
    commands.SetNodeOffline,
    commands.ReadBuilds,
    commands.UnregisterNode,
    commands.RevokeNode,
)


class Executor:
    """Hands calls on; never blocks, as its edges never do. `submit` from the pool's thread."""

    def __init__(self, *, cloud: Any, ssh: Any, target: Any) -> None:
        """Each an Edge (nodepool/core/ports.py) for its kinds of calls."""
        self._edges = {
            **dict.fromkeys(CLOUD_CALLS, cloud),
            **dict.fromkeys(SSH_CALLS, ssh),
            **dict.fromkeys(TARGET_CALLS, target),
        }
        self._closed = False

    def submit(self, call: Call) -> None:
        if not self._closed:
            self._edges[type(call)].submit(call)

    def close(self) -> None:
        """Any thread: no call goes out from now on."""
        self._closed = True
