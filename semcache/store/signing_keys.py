"""Private keys: ed25519, as PEM (PKCS 8), encrypted with a passphrase where there is one. Nothing here keeps files."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.errors import MissingExtraError

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from securesystemslib.signer import CryptoSigner, Key
except ImportError as error:
    raise MissingExtraError("signing a remote", extra="publish") from error


class KeyFormatError(ValueError):
    """The bytes are no key of ours, or the passphrase is not the one they were encrypted with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the public one that metadata names."""

    signer: CryptoSigner

    @property
    def id(self) -> str:
        """Name the public key: a digest of it, 64 hex digits."""
        return self.signer.public_key.keyid

    @property
    def public(self) -> Key:
        """Return the public key."""
        return self.signer.public_key


def new_key() -> SigningKey:
    """Make a key from the system's randomness."""
    return SigningKey(CryptoSigner.generate_ed25519())


def to_pem(key: SigningKey, passphrase: str | None) -> bytes:
    """Return a private key as PEM; None or an empty passphrase leaves it unencrypted."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    private = load_pem_private_key(key.signer.private_bytes, None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def from_pem(data: bytes, passphrase: str | None) -> SigningKey:
    """Read a private key.

    Args:
        data: what `to_pem` wrote.
        passphrase: ignored where the key is not encrypted.

    Raises:
        KeyFormatError: no PEM, another kind of key, or not its passphrase.
    """
    try:
        private = load_pem_private_key(data, passphrase.encode() if passphrase and is_encrypted(data) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFormatError(str(error)) from error
    if not isinstance(private, Ed25519PrivateKey):
        msg = f"found a {type(private).__name__}, allowed an ed25519 key"
        raise KeyFormatError(msg)
    return SigningKey(CryptoSigner(private))


def is_encrypted(data: bytes) -> bool:
    """Say whether a PEM needs a passphrase."""
    return b"ENCRYPTED" in data.partition(b"\n")[0]
