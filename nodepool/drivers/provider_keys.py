"""Private halves of the key pairs made for image builds; in memory only."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: old distributions' servers know no newer kind than RSA
BITS = 2048
MOST_KEYS = 1000


def make_key() -> tuple[str, str]:
    """(private key as PEM, public key as OpenSSH writes it, without an end of line)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


class KeyRing:
    """By the key pair's name. One that a restart lost makes its image build fail, which is then
    started anew."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def make(self, name: str) -> str:
        """The public half of a new key of this name."""
        private, public = make_key()
        self._keys[name] = private
        while len(self._keys) > MOST_KEYS:
            del self._keys[next(iter(self._keys))]
        return public

    def find(self, name: str) -> str | None:
        return self._keys.get(name)

    def forget(self, name: str) -> None:
        self._keys.pop(name, None)

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"
