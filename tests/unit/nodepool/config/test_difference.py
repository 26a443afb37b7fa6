"""What a reload of nodepool.yaml touches."""

from __future__ import annotations

from dataclasses import replace

from nodepool.config import parse_config
from nodepool.config.difference import compare
from tests.unit.nodepool.config.texts import GOOD
from zuul.lib.problems import Problem
from zuul.lib.secret import Secret


def test_a_reload_touches_what_differs() -> None:
    old = parse_config(GOOD, "f")
    assert not any(bool(part) for part in (compare(old, old).clouds, compare(old, old).targets))
    text = GOOD.replace("max-servers: 10", "max-servers: 20").replace("rate: 1\n", "rate: 2\n")
    text = text.replace("jenkins01.example", "jenkins02.example").replace("- name: j", "- name: k")
    found = compare(old, parse_config(text + "cron: {check: 1 * * * *}\n", "f"))
    assert found.clouds.changed == {"two"}
    assert found.providers.changed == {"one", "two"}
    assert (found.targets.added, found.targets.removed) == ({"kenkins01"}, {"jenkins01"})
    assert (len(found.publishers.added), len(found.publishers.removed)) == (1, 1)
    assert (found.crons, found.gearman, found.database) == ({"check"}, False, False)
    assert not found.histories
    named = parse_config(GOOD + "event-histories: ['http://b:8889']\n", "f")
    assert compare(old, named).histories.added == {"http://b:8889"}
    assert not found.labels


def test_the_file_s_name_and_warnings_make_no_difference_to_parts() -> None:
    first, second = parse_config(GOOD, "f"), parse_config(GOOD + "unknown: 1\n", "f")
    assert first == second
    assert first != replace(second, dburi=Secret("sqlite://"))
    assert isinstance(second.warnings[0], Problem)
