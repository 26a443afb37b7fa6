"""Host names from templates."""

from __future__ import annotations

import pytest

from nodepool import naming


def test_host_and_node_names() -> None:
    template = "{label.name}-{provider.name}-{node_id}-{subnode_id}.slave.example.org"
    assert naming.find_fault(template, naming.SUBNODE_FIELDS) is None
    name = naming.host_name(template, label="a b", provider="rax_dfw", node_id=7, subnode_id=2)
    assert name == "a-b-rax-dfw-7-2.slave.example.org"
    assert naming.node_name(name) == "a-b-rax-dfw-7-2"
    assert naming.host_name("{image.id}-{image}-{{x}}", image="i", image_id=3) == "3-i--x-"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{node_id", "is no template"),
        ("{}", "is not a field"),
        ("{node_id:>20}", "takes no format"),
        ("{label.__class__.__mro__}", "is not a field"),
        ("{subnode_id}", "is not a field"),
    ],
)
def test_what_is_no_template(template: str, told: str) -> None:
    fault = naming.find_fault(template, naming.NODE_FIELDS)
    assert fault is not None
    assert told in fault


def test_names_are_cut() -> None:
    assert len(naming.host_name("{label}", label="x" * 300)) == naming.MAX_NAME
