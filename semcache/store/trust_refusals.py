"""What python-tuf refuses, as errors of our own that a person understands. Reads no remote and decides nothing."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root

from semcache.errors import (
    ChangedMetadataError,
    ExpiredError,
    MixedVersionsError,
    RollbackError,
    SignatureError,
    TrustError,
)

_AGAIN = "try again; where it stays so, somebody may have tampered with the remote: ask its publisher"


def refusal(error: Exception, *, url: str, read: dict[str, bytes], metadata_dir: Path, now: datetime) -> TrustError:
    """Return what to raise for an error of python-tuf.

    Args:
        error: a RepositoryError or a DownloadError.
        url: of the remote.
        read: what was read of the remote, by path, in order: the last is what was refused. Empty: the first root.
        metadata_dir: holds what was verified before.
        now: the time by which it was refused.
    """
    if isinstance(error, ExpiredMetadataError):
        return _expired(url, read, metadata_dir, now)
    if not read:
        kind = SignatureError if isinstance(error, UnsignedMetadataError) else ChangedMetadataError
        return kind(url, f"the root to trust is not a finished one: {error}; ask its publisher for another")
    path, data = list(read.items())[-1]
    where = f"{url}/{path}"
    match error:
        case UnsignedMetadataError():
            return SignatureError(where, f"not signed by those who may: {error}; {_AGAIN}")
        case BadVersionNumberError():
            return _older_or_mixed(error, where, data)
        case LengthOrHashMismatchError():
            return _changed_or_mixed(where, data, metadata_dir)
        case _:  # no metadata at all, of another kind, or too long
            return ChangedMetadataError(where, f"not what its publisher signed: {error}; {_AGAIN}")


def _expired(url: str, read: dict[str, bytes], metadata_dir: Path, now: datetime) -> TrustError:
    """Say which role expired: the first one that did, in the order in which they are verified."""
    by_role = {_role(path): data for path, data in read.items()}
    for role in ("root", "timestamp", "snapshot", "targets"):
        data = by_role.get(role) or (metadata_dir / f"{role}.json").read_bytes()
        expires = Metadata[Any].from_bytes(data).signed.expires
        if expires <= now:
            return ExpiredError(url, role=role, expired=expires, now=now)
    return TrustError(url, f"expired, and this machine's clock says {now:%Y-%m-%d %H:%M} UTC; {_AGAIN}")


def _older_or_mixed(error: Exception, where: str, data: bytes) -> TrustError:
    """Tell a file that stands under another number than its own from one that is older than what was seen."""
    named = re.search(r"/(\d+)\.[a-z]+\.json$", where)
    version = Metadata[Any].from_bytes(data).signed.version
    if named is not None and int(named[1]) != version:
        reason = f"holds version {version}: metadata of different versions stands together; {_AGAIN}"
        return MixedVersionsError(where, reason)
    return RollbackError(where, f"older than what this machine has seen: {error}; {_AGAIN}")


def _changed_or_mixed(where: str, data: bytes, metadata_dir: Path) -> TrustError:
    """Tell bytes that nobody signed from genuine ones of another time."""
    try:
        document = Metadata[Any].from_bytes(data)
        root = Metadata[Root].from_bytes((metadata_dir / "root.json").read_bytes()).signed
        root.verify_delegate(_role(where), document.signed_bytes, document.signatures)
    except (RepositoryError, ValueError):
        return ChangedMetadataError(where, f"its {len(data):,} bytes are not the ones that were signed; {_AGAIN}")
    reason = f"genuine, but version {document.signed.version} is not the one that the rest belongs to; {_AGAIN}"
    return MixedVersionsError(where, reason)


def _role(path: str) -> str:
    return path.removesuffix(".json").rpartition("/")[2].rpartition(".")[2]
