"""nodepool.yaml: every key, every era, all problems at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodepool.config import Text, check_config, check_text, parse_config, read_config
from tests.support.services import unavailable
from tests.unit.nodepool.config.texts import GOOD, problems, warnings
from zuul.lib.problems import ConfigError

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data"


def test_a_good_file() -> None:
    config = parse_config(GOOD, "f")
    assert list(config.labels) == ["trusty"]
    assert config.labels["trusty"].providers == ("one", "two")
    assert config.providers["two"].cloud.rate == 1.0
    assert config.providers["one"].images["trusty"].setup == "prepare.sh"
    assert config.gearman_servers[0].port == 4730
    assert config.warnings == ()


def test_defaults_are_the_contract_s() -> None:
    config = parse_config(GOOD, "f")
    provider = config.providers["one"]
    image = provider.images["trusty"]
    assert (provider.cloud.rate, provider.boot_timeout, provider.launch_timeout) == (1, 60, 3600)
    assert (image.username, image.user_home) == ("jenkins", "/home/jenkins")
    assert image.private_key == "/var/lib/jenkins/.ssh/id_rsa"
    assert config.targets["jenkins01"].hostname == "{label.name}-{provider.name}-{node_id}"
    assert (config.cron.image_update, config.cron.cleanup) == ("14 2 * * *", "* * * * *")
    text = GOOD.replace("    min-ready: 3\n", "")
    assert parse_config(text, "f").labels["trusty"].min_ready == 2


@pytest.mark.parametrize(
    ("year", "labels", "providers", "servers"),
    [("openstack-2013", 4, 6, 429), ("openstack-2016", 10, 10, 743)],
)
def test_the_real_files_load_unmodified(
    year: str, labels: int, providers: int, servers: int
) -> None:
    path = DATA / year / "nodepool.yaml"
    if not path.exists():
        unavailable(f"the real configuration is not there: {path}")
    checked = check_text(Text(path.read_text(), str(path)))
    assert checked.problems == ()
    # The site of 2016 made its nodes of disk images, all of them.
    told = [each.text.partition(":")[0] for each in checked.warnings]
    disk = ["disk images are not built here, and no nodes of them are made"]
    assert told == (disk if year == "openstack-2016" else [])
    assert checked.config is not None
    assert len(checked.config.labels) == labels
    assert len(checked.config.providers) == providers
    assert sum(each.max_servers for each in checked.config.providers.values()) == servers


def test_targets_images_of_2013_are_labels() -> None:
    text = """\
cron: {update-image: 1 2 3 4 5}
providers:
  - {name: p, max-servers: 5, images: [{name: i, min-ram: 1, base-image: b}]}
  - {name: q, max-servers: 5, images: [{name: i, min-ram: 1, base-image: b}]}
targets:
  - name: t
    images: [{name: i, providers: [{name: p, min-ready: 3}, {name: q, min-ready: 1}]}]
  - name: u
    images: [{name: i, providers: [{name: p, min-ready: 2}]}]
  - name: v
"""
    config = parse_config(text, "f")
    label = config.labels["i"]
    assert (label.min_ready, label.providers, label.targets) == (6, ("p", "q"), ("t", "u"))
    assert config.cron.image_update == "1 2 3 4 5"
    assert problems(text.replace("{name: q, min-ready: 1}", "{name: r, min-ready: 1}")) == [
        "7:targets[0].images[0].providers: label i requests non-existent provider r"
    ]


def test_all_problems_come_at_once_with_line_and_key() -> None:
    text = """\
labels:
  - name: a
    image: nothing
    providers: [{name: p}, {name: nobody}]
  - name: a
    image: i
    providers: []
providers:
  - name: p
    max-servers: many
    rate: fast
    images:
      - name: i
        min-ram: 1
        diskimage: none
        setup: ../x.sh
      - min-ram: -1
targets:
  - name: t
    hostname: '{label.__class__}'
    jenkins: {url: 'ftp://x'}
cron: {check: 60 * * * *}
zmq-publishers: [localhost]
event-histories: [tcp://h:1, 'http://u:p@h', 'http://h:99999', 'http://h/?a=1']
gearman-servers: [{port: 99999}]
"""
    assert problems(text) == [
        "2:labels[0].image: label a requests image nothing, unknown to p",
        "2:labels[0].providers: label a requests non-existent provider nobody",
        "5:labels[1].name: 'a' stands in line 2 already",
        "9:providers[0].images: image i is made of the unknown diskimage none",
        "10:providers[0].max-servers: expected a whole number, not text",
        "11:providers[0].rate: expected a number, not text",
        "16:providers[0].images[0].setup: expected the name of a file in script-dir, not '../x.sh'",
        "17:providers[0].images[1].min-ram: expected 0 or more, not -1",
        "17:providers[0].images[1].name: is required",
        "20:targets[0].hostname: {label.__class__} is not a field; there are "
        "label, label.name, node_id, provider, provider.name, timestamp",
        "21:targets[0].jenkins.apikey: is required",
        "21:targets[0].jenkins.url: expected an http:// or https:// URL",
        "21:targets[0].jenkins.user: is required",
        "22:cron.check: minute: expected 0 to 59: '60'",
        "23:zmq-publishers[0]: expected tcp://HOST:PORT, not 'localhost'",
        "24:event-histories[0]: expected http://HOST:PORT, not 'tcp://h:1'",
        "24:event-histories[1]: expected http://HOST:PORT, not 'http://u:p@h'",
        "24:event-histories[2]: expected http://HOST:PORT, not 'http://h:99999'",
        "24:event-histories[3]: expected http://HOST:PORT, not 'http://h/?a=1'",
        "25:gearman-servers[0].host: is required",
        "25:gearman-servers[0].port: expected 1 or more, not 99999",
    ]


@pytest.mark.parametrize("name", ['"a\\nb"', '"\\e[2J"', '"\\0"', '""', "x" * 256])
@pytest.mark.parametrize(
    "whose", ["- name: trusty\n", "- name: two\n", "{name: trusty,", "- name: j"]
)
def test_names_are_bounded_and_have_no_control_characters(whose: str, name: str) -> None:
    text = GOOD.replace("- name: jenkins01", "- name: j")
    before, _, rest = text.rpartition(whose)
    found = problems(before + re.sub("(?<=name: )[a-z]+", lambda _: name, whose) + rest)
    assert any("expected 1 to 255 characters without control characters" in each for each in found)


def test_unknown_keys_are_warned_of_and_passed_over() -> None:
    text = GOOD.replace("    max-servers: 10", "    max-servers: 10\n    max-serves: 3")
    assert warnings(text + "web: true\n") == [
        "14:providers[0].max-serves: is not a known key and is passed over; "
        "did you mean max-servers?",
        "22:web: is not a known key and is passed over",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    checked = check_config(tmp_path / "a", tmp_path / "b")
    assert [each.text for each in checked.problems] == [
        "cannot be read: No such file or directory"
    ] * 2
    main = tmp_path / "nodepool.yaml"
    main.write_text(GOOD)
    assert len(check_config(main, tmp_path / "b").problems) == 1
    main.write_bytes(b"labels: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8 at byte 8"):
        read_config(main)


@pytest.mark.parametrize("text", ["", "[]", "labels", "labels: {a: b}", "labels: [1]", "a: [", "1"])
def test_what_is_no_configuration(text: str) -> None:
    assert problems(text)


def test_empty_lists_are_allowed() -> None:
    text = "labels:\nproviders:\ntargets:\ncron:\nzmq-publishers:\ngearman-servers:\ndiskimages:\n"
    config = parse_config(text, "f")
    assert (len(config.labels), len(config.providers), config.zmq_publishers) == (0, 0, ())


def test_how_long_a_node_may_be_held() -> None:
    assert parse_config(GOOD, "f").max_hold_age == 0
    assert parse_config(GOOD + "max-hold-age: 86400\n", "f").max_hold_age == 86400
    assert problems(GOOD + "max-hold-age: -1\n") == ["21:max-hold-age: expected 0 to 1e+09, not -1"]
    assert problems(GOOD + "max-hold-age: 1d\n") == ["21:max-hold-age: expected a number, not text"]
