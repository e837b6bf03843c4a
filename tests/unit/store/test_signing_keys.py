from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from semcache.store.signing_keys import KeyFormatError, from_pem, is_encrypted, new_key, to_pem


@pytest.mark.parametrize("passphrase", [None, "", "a passphrase", "пароль"])
def test_a_key_is_read_back(passphrase: str | None) -> None:
    """It has the same id, and is encrypted where there is a passphrase."""
    key = new_key()
    pem = to_pem(key, passphrase)
    assert (from_pem(pem, passphrase).id, is_encrypted(pem)) == (key.id, bool(passphrase))


def test_an_encrypted_key_does_not_show() -> None:
    """Nothing of the plain form stands in it."""
    key = new_key()
    assert to_pem(key, None).splitlines()[1] not in to_pem(key, "a passphrase")


def test_a_passphrase_for_a_plain_key_is_ignored() -> None:
    """One passphrase serves a folder in which some keys are plain."""
    key = new_key()
    assert from_pem(to_pem(key, None), "a passphrase").id == key.id


@pytest.mark.parametrize("passphrase", [None, "", "another"])
def test_another_passphrase_is_refused(passphrase: str | None) -> None:
    """Or none."""
    with pytest.raises(KeyFormatError):
        from_pem(to_pem(new_key(), "a passphrase"), passphrase)


def test_another_kind_of_key_is_refused() -> None:
    """Readers without cryptography verify this kind only."""
    pem = Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyFormatError, match=r"allowed an ed25519 key"):
        from_pem(pem, None)


@pytest.mark.parametrize("data", [b"", b"text", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    """Nothing, text, or a damaged file."""
    with pytest.raises(KeyFormatError):
        from_pem(data, None)
