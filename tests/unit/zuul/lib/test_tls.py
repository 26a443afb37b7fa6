"""Files of keys and certificates that cannot be used say which and why."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from zuul.config import gearman_context
from zuul.config.values import GearmanConfig
from zuul.lib.problems import ConfigError
from zuul.lib.tls import TlsError, TlsFiles, client_context, common_name, server_context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def papers(authority: Authority) -> TlsFiles:
    return authority.issue("party")


def test_both_sides_want_certificates_and_tls_1_2(papers: TlsFiles) -> None:
    for context in (server_context(papers), client_context(papers, check_hostname=True)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert len(context.get_ca_certs()) == 1, "the system's authorities do not vouch for ours"
    assert client_context(papers, check_hostname=True).check_hostname
    assert not client_context(papers, check_hostname=False).check_hostname


@pytest.mark.parametrize("option", ["ca", "certificate", "key"])
def test_a_file_that_is_not_there(papers: TlsFiles, tmp_path: Path, option: str) -> None:
    files = dataclasses.replace(papers, **{option: tmp_path / "missing.pem"})
    with pytest.raises(TlsError, match=r"missing\.pem"):
        server_context(files)


@pytest.mark.parametrize("option", ["ca", "certificate", "key"])
def test_a_file_that_holds_something_else(papers: TlsFiles, tmp_path: Path, option: str) -> None:
    (tmp_path / "odd.pem").write_text("hello\n")
    files = dataclasses.replace(papers, **{option: tmp_path / "odd.pem"})
    with pytest.raises(TlsError, match=r"odd\.pem"):
        client_context(files, check_hostname=True)


def test_a_key_of_another_certificate(authority: Authority, papers: TlsFiles) -> None:
    files = dataclasses.replace(papers, key=authority.issue("other").key)
    with pytest.raises(TlsError, match=r"other\.key.*(?i:mismatch)"):
        server_context(files)


def test_an_encrypted_key_asks_nobody(authority: Authority) -> None:
    with pytest.raises(TlsError, match="must not be encrypted"):
        server_context(authority.issue("locked", password=b"secret"))


def test_a_key_that_others_can_read_is_told(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.issue("open")
    server_context(files)
    assert caplog.text == ""
    files.key.chmod(0o640)
    server_context(files)
    assert f"chmod 600 path={files.key}" in caplog.text


def test_in_zuul_conf_it_is_a_problem_of_its_section(tmp_path: Path, papers: TlsFiles) -> None:
    config = GearmanConfig("localhost", tls=dataclasses.replace(papers, ca=tmp_path / "no.pem"))
    with pytest.raises(ConfigError, match=r"\[gearman\]: .*no.pem"):
        gearman_context(config)
    assert gearman_context(GearmanConfig("localhost")) is None


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, ""),
        ({}, ""),
        ({"subject": ()}, ""),
        ({"subject": ((("commonName", "a"),),)}, "a"),
        ({"subject": ((("organizationName", "o"),), (("commonName", "a"),))}, "a"),
        ({"subject": ((("commonName", "a"),), (("commonName", "b"),))}, ""),
        ({"subject": ((("commonName", "a"), ("commonName", "a")),)}, ""),
        ({"subject": ((("organizationName", "o"),),)}, ""),
    ],
)
def test_whose_a_certificate_is(certificate: dict | None, name: str) -> None:
    assert common_name(certificate) == name
