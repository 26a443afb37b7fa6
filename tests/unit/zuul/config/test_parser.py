"""zuul.conf: every option of the contract, its default, and every mistake told at once."""

from pathlib import Path

import pytest

from tests.unit.zuul.config.texts import GERRIT, HOME, SMALLEST, complaints, parse, warnings
from zuul.config import Program, WebappConfig


def test_the_smallest_file_gives_the_contracts_defaults():
    config = parse(SMALLEST)
    assert config.gearman.server == "127.0.0.1"
    assert config.gearman.port == 4730
    assert config.gearman.check_job_registration is True
    assert config.webapp == WebappConfig()
    assert config.zuul.layout_config == Path("/etc/zuul/layout.yaml")
    assert config.zuul.log_config is None
    assert config.zuul.pidfile == Path("/var/run/zuul/zuul.pid")
    assert config.zuul.state_dir == Path("/var/lib/zuul")
    assert config.zuul.report_times is True
    assert config.zuul.status_url is None
    assert config.zuul.status_expiry == 1
    assert config.zuul.url_pattern is None
    assert config.zuul.job_name_in_report is False
    assert config.merger is None
    assert config.connections == {}
    assert config.swift is None
    assert config.warnings == ()


def test_every_option_of_the_contract():
    text = """\
[gearman]
server=gearman.example.org
port=4731
check_job_registration=no
[gearman_server]
start=true
listen_address=10.0.0.1
log_config=~/gearman-logging.conf
port=4732
[webapp]
listen_address=127.0.0.1
port=8002
[zuul]
layout_config=~/layout.yaml
log_config=~/logging.conf
pidfile=~/zuul.pid
state_dir=~/state
report_times=off
status_url=https://zuul.example.org/
status_expiry=30
url_pattern=http://logs.example.org/{change.number}/{build.parameters[LOG_PATH]}
job_name_in_report=1
[merger]
git_dir=/srv/git
git_user_email=zuul@example.org
git_user_name=Zuul the Gate
zuul_url=http://merger.example.org/p/
log_config=/etc/zuul/merger-logging.conf
pidfile=/run/merger.pid
ref_max_age_days=30
"""
    config = parse(text)
    assert config.gearman.server == "gearman.example.org"
    assert config.gearman.port == 4731
    assert config.gearman.check_job_registration is False
    assert config.gearman_server.start is True
    assert config.gearman_server.listen_address == "10.0.0.1"
    assert config.gearman_server.log_config == HOME / "gearman-logging.conf"
    assert config.gearman_server.port == 4732
    assert config.webapp == WebappConfig("127.0.0.1", 8002)
    assert config.zuul.layout_config == HOME / "layout.yaml"
    assert config.zuul.log_config == HOME / "logging.conf"
    assert config.zuul.pidfile == HOME / "zuul.pid"
    assert config.zuul.state_dir == HOME / "state"
    assert config.zuul.report_times is False
    assert config.zuul.status_url == "https://zuul.example.org/"
    assert config.zuul.status_expiry == 30
    assert config.zuul.url_pattern is not None
    assert config.zuul.url_pattern.endswith("{build.parameters[LOG_PATH]}")
    assert config.zuul.job_name_in_report is True
    assert config.merger is not None
    assert config.merger.git_dir == Path("/srv/git")
    assert config.merger.git_user_email == "zuul@example.org"
    assert config.merger.git_user_name == "Zuul the Gate"
    assert config.merger.zuul_url == "http://merger.example.org/p"
    assert config.merger.log_config == Path("/etc/zuul/merger-logging.conf")
    assert config.merger.pidfile == Path("/run/merger.pid")
    assert config.merger.ref_max_age_days == 30
    assert config.warnings == ()


class TestMistakes:
    def test_all_are_told_at_once_with_their_lines(self):
        text = """\
stray=1
[gearman]
port=many
check_job_registration=perhaps
[webapp]
port=70000
this is no option
[zuul]
status_expiry=-1
"""
        assert complaints(text) == [
            "zuul.conf:1: option 'stray' stands before the first [section]",
            "zuul.conf:2: gearman.server: is required",
            "zuul.conf:3: gearman.port: expected a whole number, not 'many'",
            "zuul.conf:4: gearman.check_job_registration: expected true or false, not 'perhaps'",
            "zuul.conf:6: webapp.port: expected a whole number from 0 to 65535, not 70000",
            "zuul.conf:7: neither a [section] nor an option = value",
            "zuul.conf:8: zuul.layout_config: is required",
            "zuul.conf:9: zuul.status_expiry: expected a whole number of seconds "
            "from 0 to 86400, not -1",
        ]

    def test_an_empty_file(self):
        assert complaints("") == [
            "zuul.conf: gearman.server: is required",
            "zuul.conf: zuul.layout_config: is required",
        ]

    def test_each_program_needs_its_own(self):
        text = "[gearman]\nserver=g\n"
        assert parse(text, Program.CLIENT).zuul.layout_config is None
        assert complaints(text, Program.SERVER) == ["zuul.conf: zuul.layout_config: is required"]
        assert complaints(text, Program.MERGER) == ["zuul.conf: merger.zuul_url: is required"]

    @pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "user@host", "host/path"])
    def test_a_host_is_a_host(self, host):
        assert "gearman.server" in complaints(SMALLEST.replace("127.0.0.1", host))[0]

    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("http://[half", "'http://[half' is no URL: Invalid IPv6 URL"),
            ("http://a b", "a URL has no white space in it: 'http://a b'"),
        ],
    )
    def test_a_url_is_a_url(self, url, text):
        more = GERRIT + f"password=p\nbaseurl={url}\n"
        assert complaints(SMALLEST + more) == [f"zuul.conf:10: connection g.baseurl: {text}"]

    def test_a_broken_reference(self):
        assert complaints(SMALLEST + "status_url=%(absent)s\n") == [
            "zuul.conf:5: zuul.status_url: %(absent)s names no option of [zuul] or [DEFAULT]"
        ]


class TestWarnings:
    def test_unknown_options_and_sections_load_with_a_warning(self):
        text = SMALLEST + "color=red\n[jenkins]\nserver=x\n"
        assert warnings(text) == [
            "zuul.conf:5: zuul.color: is not an option of ours and is passed over",
            "zuul.conf:6: [jenkins] is not a section of ours and is passed over",
        ]

    def test_the_launchers_sections_load_silently(self):
        text = SMALLEST + '[launcher]\nx=1\n[site "logs"]\nhost=h\n[node one]\nhost=h\n'
        assert warnings(text) == []

    def test_options_that_moved_to_the_merger(self):
        assert "option of [merger] now" in warnings(SMALLEST + "git_dir=/srv/git\n")[0]

    def test_a_password_that_others_can_read(self):
        text = SMALLEST + "[connection db]\ndriver=sql\ndburi=mysql://u:geheim@h/d\n"
        assert warnings(text, readable_by_others=True) == [
            "zuul.conf: holds a password and others than its owner can read it: chmod 600"
        ]
        assert warnings(text) == []
        assert warnings(SMALLEST, readable_by_others=True) == []

    def test_a_password_over_plain_http(self):
        text = GERRIT + "password=p\nbaseurl=http://g\n"
        assert "unencrypted" in warnings(SMALLEST + text)[0]
        assert warnings(SMALLEST + text.replace("http://g", "http://127.0.0.1:8080/r")) == []
        assert warnings(SMALLEST + text.replace("http://g", "http://127.0.0.1.evil")) != []
