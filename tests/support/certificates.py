"""An authority that makes certificates for the parties of a test."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zuul.lib.tls import TlsFiles

_ADDRESS = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


class Authority:
    """Makes certificates below a folder; two of the same name vouch for different parties."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir(parents=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = self._folder / "ca.pem"
        self._issued: dict[str, TlsFiles] = {}
        self._write(self.path, self._sign(self._name, self._key, ca=True))

    def issue(
        self,
        *names: str,
        password: bytes | None = None,
        hosts: Sequence[x509.GeneralName] = (_ADDRESS,),
    ) -> TlsFiles:
        """Files of a party with these common names, usually one."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
        stem = "+".join(names) or "nobody"
        key_path, path = self._folder / f"{stem}.key", self._folder / f"{stem}.pem"
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        with open(os.open(key_path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
            stream.write(text)
        self._write(path, self._sign(subject, key, ca=False, hosts=hosts))
        return TlsFiles(self.path, path, key_path)

    def of(self, name: str) -> TlsFiles:
        """The files of a party, made once."""
        if name not in self._issued:
            self._issued[name] = self.issue(name)
        return self._issued[name]

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        hosts: Sequence[x509.GeneralName] = (_ADDRESS,),
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        vouching = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(vouching, critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
