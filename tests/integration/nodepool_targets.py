"""A sandbox Jenkins as a target of nodepool, and a node for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from nodepool.config.values import JenkinsConfig, TargetConfig
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.model import Machine, MachineKey, Node, NodeState
from tests.integration.nodepool_inbox import Inbox
from tests.sandbox.jenkins import SandboxJenkins
from zuul.lib.secret import Secret

TOKEN = "an-api-token"
USERS = {"nodepool": ("a-password", TOKEN)}
HOME = "/home/jenkins"


def target_of(url: str, name: str = "main", **more: Any) -> TargetConfig:
    jenkins = JenkinsConfig(url, "nodepool", Secret(TOKEN))
    return TargetConfig(name, rate=0.0, jenkins=jenkins, **more)


def node_of(number: int = 7, target: str = "main", ip: str = "10.1.2.3", **more: Any) -> Node:
    values: dict[str, Any] = {
        "label": "bare",
        "nodename": f"bare-cloud-{number}",
        "state": NodeState.BUILDING,
        "state_at": 0.0,
        "machines": (Machine(f"bare-cloud-{number}", ip=ip),),
        **more,
    }
    return Node(id=number, provider="cloud", target=target, **values)


NODE = node_of()
NAME = NODE.nodename


def register(node: Node, label: str | None = "bare") -> commands.RegisterNode:
    return commands.RegisterNode(node, label, "jenkins", "/keys/id_rsa", HOME)


def unregister(node: Node) -> commands.UnregisterNode:
    return commands.UnregisterNode(node.id, node.target, node.nodename)


def failed(inbox: Inbox, step: Step = Step.REGISTER) -> str:
    """Why the step of NODE failed, which is what the core is told next."""
    event = inbox.next()
    assert isinstance(event, events.StepFailed), event
    assert (event.key, event.step) == (MachineKey("node", NODE.id), step)
    return event.text


def renamed(node: Node, nodename: str) -> Node:
    return replace(node, nodename=nodename)


def configured(jenkins: SandboxJenkins, name: str) -> dict[str, str | None]:
    """A node's configuration: its elements and those of its launcher."""
    text = jenkins.node_xml(name).partition("?>")[2]
    root = ElementTree.fromstring(text)
    return {each.tag: each.text for each in root.iter()}
