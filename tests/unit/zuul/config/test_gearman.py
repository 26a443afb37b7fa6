"""zuul.conf: where Gearman is, whether its server starts here, its certificates."""

from pathlib import Path

import pytest

from tests.unit.zuul.config.texts import HOME, SMALLEST, complaints, parse
from zuul.config import Program
from zuul.lib.tls import TlsFiles


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
