"""nodepool.yaml: parts that do not fit together."""

from __future__ import annotations

from tests.unit.nodepool.config.texts import GOOD, warnings


def test_a_label_that_fits_nowhere_is_warned_of() -> None:
    text = GOOD.replace("    min-ready: 3\n", "    min-ready: 3\n    subnodes: 10\n")
    assert warnings(text) == [
        "6:labels[0].subnodes: a node of trusty takes 11 machines; no provider may have as many"
    ]


def test_nodes_that_would_have_the_name_of_another_are_warned_of() -> None:
    text = GOOD.replace("  - name: trusty\n    image", "  - name: centos-6.5\n    image")
    assert warnings(text) == [
        f"6:labels[0].name: two nodes of centos-6.5 in {provider} may be called centos-6, in"
        " jenkins01: no number before a dot"
        for provider in ("one", "two")
    ]
    assert len(warnings(GOOD + "    hostname: '{label.name}-{timestamp}'\n")) == 2
    assert warnings(GOOD + "    hostname: '{label.name}-{node_id}.example.org'\n") == []


def test_what_fails_without_a_part_of_the_file_is_warned_of() -> None:
    assert warnings(GOOD.replace("script-dir: /etc/nodepool/scripts\n", "")) == [
        "1:script-dir: is missing: image trusty has a setup script, and cannot be built"
    ]
    text = GOOD.replace("gearman-servers:\n  - host: zuul.example.org\n", "")
    assert warnings(text) == []
    assert warnings(text + "    assign-via-gearman: true\n") == [
        "1:gearman-servers: is missing: nodes of jenkins01 are offered there, and nobody will take"
        " one"
    ]
