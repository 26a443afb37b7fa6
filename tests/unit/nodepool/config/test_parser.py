"""nodepool.yaml: every key, every era, all problems at once."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from nodepool.config import (
    Text,
    check_config,
    check_text,
    parse_config,
    read_config,
)
from nodepool.config.difference import compare
from tests.support.services import unavailable
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.secret import STARS, Secret
from zuul.lib.tls import TlsFiles

ROOT = Path(__file__).parents[4]
DATA = ROOT.parent / "shared" / "data"

GOOD = """\
script-dir: /etc/nodepool/scripts
zmq-publishers: ['tcp://jenkins01.example.org:8888']
gearman-servers:
  - host: zuul.example.org
labels:
  - name: trusty
    image: trusty
    min-ready: 3
    providers: [{name: one}, {name: two}]
providers:
  - name: one
    cloud: one
    max-servers: 10
    images: [{name: trusty, min-ram: 8192, base-image: Trusty, setup: prepare.sh}]
  - name: two
    max-servers: 5
    rate: 1
    images: [{name: trusty, min-ram: 8192, base-image: Trusty}]
targets:
  - name: jenkins01
"""


def problems(text: str) -> list[str]:
    return [f"{each.line}:{each.key}: {each.text}" for each in check_text(Text(text, "f")).problems]


def warnings(text: str) -> list[str]:
    checked = check_text(Text(text, "f"))
    assert checked.problems == ()
    return [f"{each.line}:{each.key}: {each.text}" for each in checked.warnings]


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


def test_certificates_for_gearman() -> None:
    tls = "    ssl-ca: /tls/ca.pem\n    ssl-cert: /tls/np.pem\n    ssl-key: /tls/np.key\n"
    text = GOOD.replace("  - host: zuul.example.org\n", f"  - host: zuul.example.org\n{tls}")
    (server,) = parse_config(text, "f").gearman_servers
    assert server.tls == TlsFiles(Path("/tls/ca.pem"), Path("/tls/np.pem"), Path("/tls/np.key"))
    assert server.check_hostname
    assert problems(text.replace("    ssl-key: /tls/np.key\n", "")) == [
        "4:gearman-servers[0].ssl-key: is required"
    ]
    (server,) = parse_config(
        text.replace("    ssl-ca", "    ssl-check-hostname: false\n    ssl-ca"), "f"
    ).gearman_servers
    assert not server.check_hostname


def test_unknown_keys_are_warned_of_and_passed_over() -> None:
    text = GOOD.replace("    max-servers: 10", "    max-servers: 10\n    max-serves: 3")
    assert warnings(text + "web: true\n") == [
        "14:providers[0].max-serves: is not a known key and is passed over; "
        "did you mean max-servers?",
        "22:web: is not a known key and is passed over",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("boot-timeout", "0"),
        ("api-timeout", "0"),
        ("launch-timeout", "soon"),
        ("max-servers", "-2"),
        ("image-type", "iso"),
        ("networks", "[{name: a, net-id: b}]"),
        ("networks", "[{}]"),
        ("template-hostname", "'{image.name'"),
        ("template-hostname", "'{image.name!r}'"),
        ("ipv6-preferred", "3"),
    ],
)
def test_bad_values_of_a_provider(key: str, value: str) -> None:
    text = GOOD.replace("    rate: 1\n", f"    rate: 1\n    {key}: {value}\n")
    text = text.replace("    max-servers: 5\n", "") if key == "max-servers" else text
    (problem,) = problems(text)
    assert f"providers[1].{key}" in problem


def test_what_has_no_effect_is_warned_of() -> None:
    text = GOOD.replace(
        "    rate: 1\n",
        "    rate: 1\n    networks: [{net-id: a, public: true}, {name: b, public: true}]\n",
    )
    assert warnings(text) == [
        "18:providers[1].networks[0].public: has no effect with net-id: servers tell their networks"
        " by name"
    ]


def test_a_provider_drains_with_minus_one() -> None:
    config = parse_config(GOOD.replace("max-servers: 10", "max-servers: -1"), "f")
    assert config.providers["one"].max_servers == -1


def test_images_of_the_last_era_are_the_diskimage_of_their_name() -> None:
    text = GOOD.replace("base-image: Trusty}", "meta: {a: 1}}") + "diskimages: [{name: trusty}]\n"
    images = parse_config(text, "f").providers["two"].images
    assert (images["trusty"].diskimage, images["trusty"].meta) == ("trusty", (("a", "1"),))
    (warning,) = warnings(text)
    assert "disk images are not built here, and no nodes of them are made: trusty" in warning
    (warning,) = warnings(GOOD.replace(", base-image: Trusty}", "}"))
    assert "has no base-image and no diskimage" in warning


def test_too_much_meta_is_left_out() -> None:
    meta = "{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}"
    text = GOOD.replace("base-image: Trusty}", f"base-image: Trusty, meta: {meta}}}")
    (warning,) = warnings(text)
    assert "at most 5 entries" in warning
    assert parse_config(text, "f").providers["two"].images["trusty"].meta == ()


def test_a_label_that_fits_nowhere_is_warned_of() -> None:
    text = GOOD.replace("    min-ready: 3\n", "    min-ready: 3\n    subnodes: 10\n")
    assert warnings(text) == [
        "6:labels[0].subnodes: a node of trusty takes 11 machines; no provider may have as many"
    ]


SECURE = """\
[database]
dburi: sqlite:////tmp/x
[jenkins "jenkins01"]
url: http://jenkins01/
user: nodepool
apikey: s3cret
credentials: abc
"""


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


def test_credentials_without_a_login_are_warned_of() -> None:
    text = GOOD + "    jenkins: {credentials-id: c, test-job: t}\n"
    assert warnings(text) == [
        "21:targets[0].jenkins.credentials-id: has no effect without url, user and apikey: it is"
        " credentials in secure.conf"
    ]


def test_secure_conf_has_the_logins() -> None:
    config = parse_config(GOOD, "f", Text(SECURE, "s"))
    jenkins = config.targets["jenkins01"].jenkins
    assert jenkins is not None
    assert (jenkins.url, jenkins.user, jenkins.credentials_id) == (
        "http://jenkins01",
        "nodepool",
        "abc",
    )
    assert jenkins.apikey.reveal() == "s3cret"
    assert config.dburi.reveal() == "sqlite:////tmp/x"
    assert "s3cret" not in repr(config)
    assert {each.reveal() for each in config.secrets()} == {"s3cret", "sqlite:////tmp/x"}


def test_problems_of_secure_conf_come_along() -> None:
    secure = SECURE.replace("user: nodepool\n", "") + '[jenkins "else"]\nurl: x\n[smtp]\na=b\n'
    checked = check_text(Text(GOOD.replace("rate: 1", "rate: x"), "f"), Text(secure, "s"))
    assert checked.config is None
    assert [(each.source, each.line, each.key) for each in checked.problems] == [
        ("f", 17, "providers[1].rate"),
        ("s", 3, 'jenkins "jenkins01".user'),
        ("s", 7, 'jenkins "else".apikey'),
        ("s", 7, 'jenkins "else".user'),
        ("s", 8, 'jenkins "else".url'),
    ]
    assert [each.line for each in checked.warnings] == [7, 9]


def test_logins_of_the_first_era_stand_in_nodepool_yaml() -> None:
    text = GOOD.replace(
        "- name: jenkins01",
        "- name: jenkins01\n    jenkins: {url: 'http://j/', user: u, apikey: k, test-job: t}",
    )
    target = parse_config(text + "dburi: mysql://u:pw@h/n\n", "f").targets["jenkins01"]
    assert target.jenkins is not None
    assert (target.jenkins.url, target.test_job, repr(target.jenkins.apikey)) == (
        "http://j",
        "t",
        STARS,
    )


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


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    def warned(main_text: str, secure_text: str, main_mode: int, secure_mode: int) -> list[str]:
        main, secure = tmp_path / "nodepool.yaml", tmp_path / "secure.conf"
        for path, text, mode in ((main, main_text, main_mode), (secure, secure_text, secure_mode)):
            path.write_text(text)
            path.chmod(mode)
        checked = check_config(main, secure)
        assert checked.problems == ()
        return [f"{Path(each.source).name}: {each.text}" for each in checked.warnings]

    read = "holds a password and others than its owner can read it: chmod 600"
    no_password = "[database]\ndburi=sqlite:////tmp/x\n"
    database = "[database]\ndburi=mysql+pymysql://nodepool:geheim@db/nodepool\n"
    login = '[jenkins "jenkins01"]\nurl=http://j\nuser=u\napikey=geheim\n'
    for text in (database, no_password + login):
        assert warned(GOOD, text, 0o644, 0o640) == [f"secure.conf: {read}"]
        assert warned(GOOD, text, 0o644, 0o600) == []
    assert warned(GOOD, no_password, 0o644, 0o644) == []
    for text in (
        GOOD.replace("rate: 1\n", "password: geheim\n"),
        GOOD + "    jenkins: {url: 'http://j', user: u, apikey: geheim}\n",
    ):
        assert warned(text, no_password, 0o640, 0o600) == [f"nodepool.yaml: {read}"]
        assert warned(text, no_password, 0o600, 0o600) == []
    old = f"dburi: 'mysql+pymysql://nodepool:geheim@db/nodepool'\n{GOOD}"
    assert warned(old, login, 0o644, 0o600) == [f"nodepool.yaml: {read}"]
    (written,) = warned(GOOD, no_password, 0o664, 0o600)
    assert written == "nodepool.yaml: others than its owner can change it: chmod go-w"


def test_the_log_hides_the_database_s_password_by_itself() -> None:
    text = f"dburi: 'mysql+pymysql://nodepool:ge%20heim@db/nodepool'\n{GOOD}"
    assert "ge heim" in [secret.reveal() for secret in parse_config(text, "f").secrets()]


@pytest.mark.parametrize("text", ["", "[]", "labels", "labels: {a: b}", "labels: [1]", "a: [", "1"])
def test_what_is_no_configuration(text: str) -> None:
    assert problems(text)


def test_empty_lists_are_allowed() -> None:
    text = "labels:\nproviders:\ntargets:\ncron:\nzmq-publishers:\ngearman-servers:\ndiskimages:\n"
    config = parse_config(text, "f")
    assert (len(config.labels), len(config.providers), config.zmq_publishers) == (0, 0, ())


def test_histories_are_addresses_of_the_web() -> None:
    given = ["http://bridge:8889", "https://[::1]/events/", "http://bridge:8889/"]
    assert parse_config(f"event-histories: {given}", "f").event_histories == (
        "http://bridge:8889",
        "https://[::1]/events",
    )
    assert parse_config("event-histories:", "f").event_histories == ()


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


def test_how_long_a_node_may_be_held() -> None:
    assert parse_config(GOOD, "f").max_hold_age == 0
    assert parse_config(GOOD + "max-hold-age: 86400\n", "f").max_hold_age == 86400
    assert problems(GOOD + "max-hold-age: -1\n") == ["21:max-hold-age: expected 0 to 1e+09, not -1"]
    assert problems(GOOD + "max-hold-age: 1d\n") == ["21:max-hold-age: expected a number, not text"]
