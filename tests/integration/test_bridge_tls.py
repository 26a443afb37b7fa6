"""The bridge's links to a Gearman server that wants client certificates."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gearman_plugin_shim.config import GearmanConfig
from gearman_plugin_shim.gearman import ssl_context_of
from tests.support.processes import wait_for
from zuul.lib.gearman import GearmanServer, JobRef, TakenJob, WorkerHub

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Papers:
    """Files of one party: its key, its certificate, and who vouches for the others."""

    key: Path
    certificate: Path
    authority: Path


class Authority:
    """Makes certificates below a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._path = self._folder / "ca.pem"
        self._write(self._path, self._sign(self._name, self._key, ca=True))

    def issue(self, name: str) -> Papers:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key_path, path = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self._write(path, self._sign(subject, key, ca=False))
        return Papers(key_path, path, self._path)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        vouching = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .add_extension(identifier, critical=False)
            .add_extension(vouching, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def port(ours: Authority) -> Iterator[int]:
    """Of a server that takes only clients whom our authority vouches for."""
    papers = ours.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=papers.authority)
    context.load_cert_chain(papers.certificate, papers.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = GearmanServer("127.0.0.1", 0, ssl_context=context)
    server.start()
    yield server.port
    server.stop()


class News:
    def __init__(self) -> None:
        self.opened: list[str] = []
        self.lost: list[str] = []

    def link_opened(self, link: str, generation: int) -> None:
        self.opened.append(link)

    def link_lost(self, link: str, generation: int) -> None:
        self.lost.append(link)

    def job_taken(self, ref: JobRef, job: TakenJob, taken: int) -> None:
        raise AssertionError("nobody submitted a job")


def open_link(port: int, papers: Papers) -> tuple[WorkerHub, News]:
    """A hub as shim.conf's [gearman] asks for, and what it tells."""
    config = GearmanConfig(
        "127.0.0.1",
        port,
        ssl_key=papers.key,
        ssl_cert=papers.certificate,
        ssl_ca=papers.authority,
    )
    news = News()
    hub = WorkerHub(config.server, config.port, news, ssl_context=ssl_context_of(config))
    hub.start()
    hub.open_link("group", "client", frozenset({"build:unit"}), 0)
    return hub, news


def test_a_link_opens_with_our_papers(port: int, ours: Authority) -> None:
    hub, news = open_link(port, ours.issue("bridge"))
    try:
        wait_for(lambda: news.opened == ["group"], "an open link")
    finally:
        hub.stop()


def test_a_server_that_a_stranger_vouches_for_is_not_trusted(
    port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub, news = open_link(port, Authority(tmp_path, "stranger").issue("bridge"))
    try:
        wait_for(lambda: "certificate verify failed" in caplog.text.lower(), "a refusal, logged")
        assert news.opened == []
    finally:
        hub.stop()
