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


def refusal(error: Exception, *, read: dict[str, bytes], metadata_dir: Path, now: datetime) -> TrustError:
    """Return what to raise for an error of python-tuf.

    Args:
        error: a RepositoryError or a DownloadError.
        read: what was read of the remote, by path, in order: the last is what was refused. Empty: the first root.
        metadata_dir: holds what was verified before.
        now: the time by which it was refused.
    """
    path = next(reversed(read), "the trusted root")
    match error:
        case ExpiredMetadataError():
            return _expired(read, metadata_dir, now)
        case UnsignedMetadataError():
            return SignatureError(path, f"not signed by those who may: {error}; {_AGAIN}")
        case BadVersionNumberError():
            return _older_or_mixed(error, path, read[path])
        case LengthOrHashMismatchError():
            return _changed_or_mixed(path, read[path], metadata_dir)
        case _:  # no metadata at all, of another kind, or too long
            return ChangedMetadataError(path, f"not what its publisher signed: {error}; {_AGAIN}")


def _expired(read: dict[str, bytes], metadata_dir: Path, now: datetime) -> TrustError:
    """Say which role expired: the first one that did, in the order in which they are verified."""
    by_role = {_role(path): (path, data) for path, data in read.items()}
    for role in ("root", "timestamp", "snapshot", "targets"):
        path, data = by_role.get(role) or _kept(role, metadata_dir)
        expires = Metadata[Any].from_bytes(data).signed.expires
        if expires <= now:
            return ExpiredError(path, role=role, expired=expires, now=now)
    return TrustError("metadata", f"expired, and the clock says {now:%Y-%m-%d %H:%M} UTC; {_AGAIN}")


def _older_or_mixed(error: Exception, path: str, data: bytes) -> TrustError:
    """Tell a file that stands under another number than its own from one that is older than what was seen."""
    named = re.search(r"/(\d+)\.", path)
    version = Metadata[Any].from_bytes(data).signed.version
    if named is not None and int(named[1]) != version:
        reason = f"holds version {version}: metadata of different versions stands together; {_AGAIN}"
        return MixedVersionsError(path, reason)
    return RollbackError(path, f"older than what this machine has seen: {error}; {_AGAIN}")


def _changed_or_mixed(path: str, data: bytes, metadata_dir: Path) -> TrustError:
    """Tell bytes that nobody signed from genuine ones of another time."""
    role = _role(path)
    try:
        document = Metadata[Any].from_bytes(data)
        root = Metadata[Root].from_bytes(_kept("root", metadata_dir)[1]).signed
        root.verify_delegate(role, document.signed_bytes, document.signatures)
    except (RepositoryError, ValueError):
        return ChangedMetadataError(path, f"its {len(data):,} bytes are not the ones that were signed; {_AGAIN}")
    reason = f"genuine, but version {document.signed.version} is not the one that the rest belongs to; {_AGAIN}"
    return MixedVersionsError(path, reason)


def _kept(role: str, metadata_dir: Path) -> tuple[str, bytes]:
    path = metadata_dir / f"{role}.json"
    return str(path), path.read_bytes()


def _role(path: str) -> str:
    return path.removesuffix(".json").rpartition("/")[2].rpartition(".")[2]
