"""zuul.conf: the connections, by today's sections and Zuul 2's."""

from pathlib import Path

import pytest

from tests.unit.zuul.config.texts import GERRIT, HOME, SMALLEST, complaints, parse, warnings
from zuul.config import (
    GerritConnectionConfig,
    SmtpConnectionConfig,
    SqlConnectionConfig,
    same_server,
)
from zuul.lib.secret import Secret


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
        text = GERRIT + f"strip_branch_ref={word}\n"
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
