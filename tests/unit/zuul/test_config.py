"""zuul.conf: every option of the contract, its default, and every mistake told at once."""

from pathlib import Path

import pytest

from zuul.config import (
    GerritConnectionConfig,
    Program,
    SmtpConnectionConfig,
    SqlConnectionConfig,
    WebappConfig,
    ZuulConfig,
    parse_config,
    read_config,
    same_server,
)
from zuul.lib import logs
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret
from zuul.lib.tls import TlsFiles

HOME = Path("/home/zuul")
SMALLEST = "[gearman]\nserver=127.0.0.1\n[zuul]\nlayout_config=/etc/zuul/layout.yaml\n"


def parse(text: str, program: Program = Program.SERVER, **keywords: bool) -> ZuulConfig:
    return parse_config(text, "zuul.conf", program=program, home=HOME, **keywords)


def complaints(text: str, program: Program = Program.SERVER) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, program)
    return [str(problem) for problem in caught.value.problems]


def warnings(text: str, **keywords: bool) -> list[str]:
    return [str(problem) for problem in parse(text, **keywords).warnings]


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


class TestGearmanServer:
    def server(self, more: str, host: str = "localhost"):
        return parse(SMALLEST.replace("127.0.0.1", host) + more).gearman_server

    def test_starts_by_itself_for_this_machine_only(self):
        server = self.server("")
        assert (server.start, server.listen_address, server.port) == (True, "127.0.0.1", 4730)

    def test_does_not_start_where_gearman_is_elsewhere(self):
        assert self.server("", host="gearman.example.org").start is False

    def test_listens_everywhere_when_asked_to_start(self):
        server = self.server("[gearman_server]\nstart=true\n", host="gearman.example.org")
        assert (server.start, server.listen_address) == (True, None)

    def test_can_be_switched_off(self):
        assert self.server("[gearman_server]\nstart=false\n").start is False

    def test_takes_the_port_of_gearman(self):
        assert self.server("[gearman]\nport=5000\n").port == 5000

    def test_may_take_any_free_port(self):
        assert self.server("[gearman_server]\nport=0\n").port == 0


TLS = "ssl_ca=~/ca.pem\nssl_cert=/c.pem\nssl_key=/k.pem\n"


class TestGearmanCertificates:
    def test_all_options(self):
        gearman = SMALLEST.replace("[zuul]", TLS + "ssl_check_hostname=false\n[zuul]")
        config = parse(gearman + "[gearman_server]\nacl=/etc/zuul/acl.ini\n" + TLS)
        files = TlsFiles(HOME / "ca.pem", Path("/c.pem"), Path("/k.pem"))
        assert config.gearman.tls == config.gearman_server.tls == files
        assert config.gearman.check_hostname is False
        assert config.gearman_server.acl == Path("/etc/zuul/acl.ini")
        assert config.warnings == ()

    def test_host_names_are_checked_by_default(self):
        assert parse(SMALLEST).gearman.check_hostname is True
        assert parse(SMALLEST).gearman.tls is None

    def test_all_three_or_none(self):
        text = SMALLEST.replace("[zuul]", "ssl_cert=/c.pem\n[zuul]")
        assert complaints(text)[:2] == [
            "zuul.conf:1: gearman.ssl_ca: is required: ssl_ca, ssl_cert and ssl_key go together",
            "zuul.conf:1: gearman.ssl_key: is required: ssl_ca, ssl_cert and ssl_key go together",
        ]

    def test_a_list_of_certificates_without_any_is_a_mistake(self):
        (complaint,) = complaints(SMALLEST + "[gearman_server]\nacl=/acl\n")
        assert complaint.startswith("zuul.conf:6: gearman_server.acl: names certificates")

    @pytest.mark.parametrize("section", ["gearman", "gearman_server"])
    def test_our_server_and_our_clients_speak_the_same(self, section):
        (complaint,) = complaints(f"{SMALLEST}[{section}]\n{TLS}")
        assert "needed in both of [gearman] and [gearman_server]" in complaint

    def test_a_merger_beside_it_needs_only_its_own(self):
        text = f"{SMALLEST}[gearman]\n{TLS}[merger]\nzuul_url=http://m/p\n"
        assert parse(text, Program.MERGER).gearman.tls is not None

    def test_clients_of_another_server_need_no_server_papers(self):
        text = SMALLEST.replace("127.0.0.1", "gearman.example.org") + "[gearman]\n" + TLS
        assert parse(text).gearman.tls is not None


class TestConnections:
    def connections(self, text: str):
        return parse(SMALLEST + text).connections

    def test_gerrit(self):
        text = """\
[connection "review"]
driver=gerrit
server=review.example.org
user=zuul
port=2222
sshkey=~/.ssh/id_rsa
keepalive=0
baseurl=https://review.example.org/r/
strip_branch_ref=true
known_hosts=/etc/zuul/known_hosts
password=geheim
verify_ssl=false
ca_file=/etc/ssl/ours.pem
"""
        assert self.connections(text) == {
            "review": GerritConnectionConfig(
                name="review",
                server="review.example.org",
                user="zuul",
                port=2222,
                sshkey=HOME / ".ssh/id_rsa",
                keepalive=0,
                baseurl="https://review.example.org/r",
                strip_branch_ref=True,
                known_hosts=Path("/etc/zuul/known_hosts"),
                password=Secret("geheim"),
                verify_ssl=False,
                ca_file=Path("/etc/ssl/ours.pem"),
            )
        }

    def test_gerrit_defaults(self):
        text = "[connection g]\ndriver=gerrit\nserver=g.example.org\nuser=z\n"
        expected = GerritConnectionConfig("g", "g.example.org", "z")
        found = self.connections(text)["g"]
        assert isinstance(found, GerritConnectionConfig)
        assert found.baseurl == "https://g.example.org"
        assert (found.port, found.sshkey, found.keepalive) == (29418, None, 60)
        assert found.strip_branch_ref is expected.strip_branch_ref is False
        assert found.known_hosts is found.password is found.ca_file is None
        assert found.verify_ssl is True

    def test_smtp_and_sql(self):
        text = "[connection mail]\ndriver=smtp\n[connection 'db']\ndriver=sql\ndburi=sqlite://\n"
        assert self.connections(text) == {
            "mail": SmtpConnectionConfig("mail"),
            "db": SqlConnectionConfig("db", Secret("sqlite://")),
        }

    @pytest.mark.parametrize(
        "header", ["connection x", "CONNECTION x", "connection 'x'", 'Connection "x"']
    )
    def test_the_name_may_be_quoted(self, header):
        assert list(self.connections(f"[{header}]\ndriver=smtp\n")) == ["x"]

    def test_addresses_that_are_none(self):
        text = "[connection mail]\ndriver=smtp\ndefault_from=a@\ndefault_to=a@b c\n"
        assert complaints(SMALLEST + text) == [
            "zuul.conf:7: connection mail.default_from: not a mail address: 'a@'",
            "zuul.conf:8: connection mail.default_to: not a mail address: 'a@b c'",
        ]

    def test_legacy_sections(self):
        text = "[gerrit]\nserver=g\nuser=z\n[smtp]\nserver=mail\nport=2525\n"
        connections = self.connections(text)
        assert connections["gerrit"] == GerritConnectionConfig(
            "gerrit", "g", "z", baseurl="https://g"
        )
        assert connections["smtp"] == SmtpConnectionConfig("smtp", "mail", 2525)

    def test_a_new_section_wins_over_a_legacy_one(self):
        text = SMALLEST + "[smtp]\nserver=old\n[connection smtp]\ndriver=smtp\nserver=new\n"
        assert parse(text).connections["smtp"] == SmtpConnectionConfig("smtp", "new")
        assert warnings(text) == [
            "zuul.conf:6: smtp.server: [smtp] is passed over, as there is a [connection smtp]"
        ]

    @pytest.mark.parametrize("word", ["0", "false", "No"])
    def test_strip_branch_ref_false_is_false_and_told(self, word):
        text = f"[connection g]\ndriver=gerrit\nserver=g\nuser=z\nstrip_branch_ref={word}\n"
        connection = self.connections(text)["g"]
        assert isinstance(connection, GerritConnectionConfig)
        assert connection.strip_branch_ref is False
        assert "Zuul 2 read any text as true" in warnings(SMALLEST + text)[0]

    def test_157_the_drivers(self):
        """Besides the built-in triggers `timer` and `zuul`, whose names nobody else may take."""
        given = {
            name: f"[connection {name}]\ndriver={name}\nserver=s\nuser=u\n"
            for name in ("gerrit", "smtp", "sql", "timer", "zuul", "git", "nosuch")
        }
        refused = {
            name: complaints(SMALLEST + text)[0]
            for name, text in given.items()
            if name not in ("gerrit", "smtp", "sql")
        }
        assert all("is a built-in trigger" in refused[name] for name in ("timer", "zuul"))
        assert all("unknown driver" in refused[name] for name in ("git", "nosuch"))
        for name in ("gerrit", "smtp", "sql"):
            assert self.connections(given[name])[name].driver == name

    def test_mistakes(self):
        text = """\
[connection a]
server=g
[connection b]
driver=subversion
[connection timer]
driver=gerrit
[connection]
driver=smtp
[connection c]
driver=gerrit
baseurl=ftp://c
"""
        assert complaints(SMALLEST + text) == [
            "zuul.conf:5: connection a.driver: is required",
            "zuul.conf:8: connection b.driver: unknown driver 'subversion', "
            "expected one of gerrit, smtp, sql",
            "zuul.conf:10: connection timer.driver: 'timer' is a built-in trigger, "
            "take another name",
            "zuul.conf:12: connection.driver: the connection has no name: [connection NAME]",
            "zuul.conf:13: connection c.server: is required",
            "zuul.conf:13: connection c.user: is required",
            "zuul.conf:15: connection c.baseurl: expected an http:// or https:// URL, "
            "not 'ftp://c'",
        ]


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
        more = f"[connection g]\ndriver=gerrit\nserver=g\nuser=z\npassword=p\nbaseurl={url}\n"
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
        text = "[connection g]\ndriver=gerrit\nserver=g\nuser=z\npassword=p\nbaseurl=http://g\n"
        assert "unencrypted" in warnings(SMALLEST + text)[0]
        assert warnings(SMALLEST + text.replace("http://g", "http://127.0.0.1:8080/r")) == []
        assert warnings(SMALLEST + text.replace("http://g", "http://127.0.0.1.evil")) != []


class TestSecrets:
    TEXT = (
        SMALLEST
        + "[connection g]\ndriver=gerrit\nserver=g\nuser=z\npassword=geheim1\n"
        + "[connection db]\ndriver=sql\ndburi=mysql://u:geheim2@h/d\n"
        + "[swift]\nkey=geheim3\nX-Account-Meta-Temp-Url-Key=geheim4\nuser=swifty\nauthurl=http://k\n"
    )

    def test_they_are_not_shown(self):
        config = parse(self.TEXT)
        for text in (repr(config), str(config), f"{config.connections}", repr(config.secrets)):
            assert "geheim" not in text

    def test_they_are_listed_for_the_log_to_hide(self):
        revealed = {secret.reveal() for secret in parse(self.TEXT).secrets}
        assert revealed == {"geheim1", "mysql://u:geheim2@h/d", "geheim2", "geheim3", "geheim4"}

    @pytest.mark.parametrize(
        ("uri", "hidden"),
        [
            ("mysql://u:ge%2Fheim@h/d", {"mysql://u:ge%2Fheim@h/d", "ge/heim"}),
            ("sqlite:////tmp/x.db", {"sqlite:////tmp/x.db"}),
            ("mysql://[half", {"mysql://[half"}),
        ],
    )
    def test_the_password_inside_a_uri(self, uri, hidden):
        config = parse(f"{SMALLEST}[connection db]\ndriver=sql\ndburi={uri}\n")
        assert {secret.reveal() for secret in config.secrets} == hidden


class TestReadConfig:
    def test_reads_a_file(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_text(SMALLEST)
        assert read_config(path) == parse_config(SMALLEST, str(path))

    def test_the_log_hides_its_secrets(self, tmp_path, monkeypatch):
        redactor = logs.Redactor()
        monkeypatch.setattr(logs, "hide", redactor.hide)
        (tmp_path / "zuul.conf").write_text(TestSecrets.TEXT)
        read_config(tmp_path / "zuul.conf")
        assert redactor.redact("with geheim2") == "with ********"

    def test_warns_of_permissions(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_text(TestSecrets.TEXT)
        path.chmod(0o640)
        assert "chmod 600" in str(read_config(path).warnings[0])
        path.chmod(0o600)
        assert read_config(path).warnings == ()
        path.chmod(0o620)
        assert "chmod go-w" in str(read_config(path).warnings[0])

    def test_a_missing_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(ConfigError, match=r"nowhere\.conf: cannot be read: .*No such file"):
            read_config(tmp_path / "nowhere.conf")

    def test_not_utf8(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_bytes(b"[zuul]\nx=\xff\n")
        with pytest.raises(ConfigError, match=r"zuul\.conf:2: is not UTF-8"):
            read_config(path)

    def test_too_large(self, tmp_path):
        path = tmp_path / "zuul.conf"
        path.write_bytes(b"#" * (1 << 21))
        with pytest.raises(ConfigError, match="is larger than"):
            read_config(path)

    def test_the_home_folder_is_looked_in(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr("zuul.config.parser.DEFAULT_PATHS", ("/nonexistent", "~/zuul.conf"))
        with pytest.raises(ConfigError, match="no configuration file: neither of"):
            read_config()
        (tmp_path / "zuul.conf").write_text(SMALLEST)
        assert read_config().source == str(tmp_path / "zuul.conf")


def test_136_connections_to_one_server_know_each_other() -> None:
    text = "".join(
        f"[connection {name}]\ndriver=gerrit\nuser=zuul\n{options}\n"
        for name, options in (
            ("gerrit", "server=review.example.org"),
            ("voter", "server=Review.example.org"),
            ("alias", "server=review\nbaseurl=https://review.example.org"),
            ("port", "server=review.example.org\nport=29419\nbaseurl=https://other.example.org"),
            ("other", "server=other.example.org\nbaseurl=https://else.example.org"),
        )
    )
    connections = parse(SMALLEST + text + "[connection smtp]\ndriver=smtp\n").connections
    found = {
        name: same_server(connection, connections)
        for name, connection in connections.items()
        if isinstance(connection, GerritConnectionConfig)
    }
    assert found == {
        "gerrit": {"voter", "alias"},
        "voter": {"gerrit"},
        "alias": {"gerrit"},
        "port": set(),
        "other": set(),
    }
