"""Trust in a remote: what it holds is used only if its publisher signed it, and signed it lately.

python-tuf's client does the work: root, timestamp, snapshot, targets, each verified by what came before it. This
file gives it objects to read and a clock, remembers the first root, and turns refusals into errors of our own
(`trust_refusals.py`). Nothing here writes to a remote.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from semcache.errors import (
    ChangedMetadataError,
    ClockError,
    MissingExtraError,
    NotPublishedError,
    ObjectMissingError,
    ObjectTooLargeError,
    StorageError,
    UnsignedRemoteError,
)
from semcache.store.fsio import FileSystem, replace_file
from semcache.store.lock import exclusive_lock

try:
    from tuf.api.exceptions import DownloadError, DownloadHTTPError, LengthOrHashMismatchError, RepositoryError
    from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp
    from tuf.ngclient import Updater, UpdaterConfig
    from tuf.ngclient.fetcher import FetcherInterface
except ImportError as error:
    raise MissingExtraError("a signed remote", extra="remote") from error

from semcache.store.trust_refusals import refusal

MAX_METADATA_BYTES = 5_000_000
"""Of any metadata, whatever its signer says; all but targets have less (`_LIMITS`)."""
METADATA_DIR = "metadata/"
TIMESTAMP = f"{METADATA_DIR}timestamp.json"
SIGNED_FIELD = "x-semcache-signed"
"""In a timestamp: when it was signed. TUF itself cannot tell that a reader's clock is behind."""
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
ROLES = ("root", "timestamp", "snapshot", "targets")

_PIN = "pinned.root.json"
_LIMITS = UpdaterConfig(
    max_root_rotations=256,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=MAX_METADATA_BYTES,
)
_SHA256 = re.compile("[0-9a-f]{64}")
_CLOCK_SLACK = timedelta(hours=1)
_BEFORE_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)


class Objects(Protocol):
    """What trust needs of a remote: whole objects by their path."""

    @property
    def url(self) -> str:
        """Where it is, as it may be shown."""

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return an object.

        Raises:
            ObjectMissingError: there is none.
            ObjectTooLargeError: it has more bytes than allowed; no more were read.
            RemoteUnavailableError: the remote cannot be reached, or refuses.
        """

    def write(self, path: str, data: bytes, *, only_new: bool = False) -> None:
        """Write an object; no reader sees half of it.

        Raises:
            ObjectExistsError: `only_new`, and there is one.
            RemoteUnavailableError: the remote cannot be reached, or refuses.
        """


@dataclass(frozen=True, slots=True)
class Anchor:
    """The root that everything rests on.

    Attributes:
        version: of this root; later ones are reached from it by signatures.
        fingerprint: sha256 of its bytes, in hex, for a person to compare.
        key_ids: of the keys that may change the keys.
        is_new: it was taken from the remote just now, because none was known: nothing vouched for it.
    """

    version: int
    fingerprint: str
    key_ids: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class VerifiedRemote:
    """A remote whose metadata was verified.

    Attributes:
        anchor: what that rests on.
        metadata: the verified bytes of root, timestamp, snapshot and targets.
    """

    objects: Objects
    anchor: Anchor
    metadata: Mapping[str, bytes]

    @property
    def paths(self) -> list[str]:
        """The targets that there are, sorted."""
        return sorted(self._targets())

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return the verified bytes of a target.

        Args:
            path: "name/file". The object that is read has the target's sha256 before its file name.
            limit_bytes: most bytes it may have.

        Raises:
            NotPublishedError: there is no such target.
            ObjectMissingError: the object that holds it is gone.
            ChangedMetadataError: its bytes are not the ones that were signed, or too many.
            RemoteUnavailableError: the remote cannot be reached, or refuses.
        """
        target = self._targets().get(path)
        if target is None:
            raise NotPublishedError(self.objects.url, path, offered=self.paths)
        if target.length > limit_bytes:
            raise ChangedMetadataError(self.objects.url, f"{path} has {target.length:,} bytes, allowed {limit_bytes:,}")
        sha256 = target.hashes.get("sha256", "")
        if not _SHA256.fullmatch(sha256):
            raise ChangedMetadataError(self.objects.url, f"{path} is named with no sha256; ask its publisher")
        where = target_object(path, sha256)
        try:
            data = self.objects.read(where, limit_bytes=target.length)
            target.verify_length_and_hashes(data)
        except ObjectTooLargeError as error:
            reason = f"has more than the {target.length:,} bytes that were signed; ask its publisher"
            raise ChangedMetadataError(error.url, reason) from error
        except LengthOrHashMismatchError as error:
            reason = f"its {len(data):,} bytes are not the {target.length:,} that were signed; ask its publisher"
            raise ChangedMetadataError(f"{self.objects.url}/{where}", reason) from error
        return data

    def _targets(self) -> dict[str, TargetFile]:
        return Metadata[Targets].from_bytes(self.metadata["targets"]).signed.targets


def target_object(path: str, sha256: str) -> str:
    """Return where the bytes of a target are: each content has an object of its own, which never changes."""
    folder, _, name = path.rpartition("/")
    return f"targets/{folder}/{sha256}.{name}"


def verify_remote(
    objects: Objects,
    *,
    metadata_dir: Path,
    now: datetime,
    root: bytes | None = None,
    allow_expired: bool = False,
) -> VerifiedRemote:
    """Load and verify a remote's metadata. Safe with several processes on one folder, and after a kill at any step.

    Args:
        objects: the remote.
        metadata_dir: what this machine knows of this remote: the first root, and the versions it has seen.
        now: the time, with a zone.
        root: root metadata to trust, of any version. None: the one that was trusted before, or at first use the
            remote's own first root; `Anchor.is_new` says so, and it is trusted from then on.
        allow_expired: for a publisher, who is about to renew what has expired.

    Raises:
        TrustError: one of its kinds, for what a remote holds and may not be used.
        ObjectMissingError: a file that the metadata names is gone.
        RemoteUnavailableError: the remote cannot be reached, or refuses.
        StorageError: the system refused to keep what was learned.
    """
    fs = FileSystem()
    try:
        fs.make_dir(metadata_dir)
        with exclusive_lock(metadata_dir / "lock", wait=True):
            anchor, is_new = _anchor(objects, metadata_dir, root)
            metadata = _refresh(objects, metadata_dir, anchor, now=now, allow_expired=allow_expired)
            signed = signing_time(metadata["timestamp"])
            if signed is not None and signed > now + _CLOCK_SLACK:
                raise ClockError(f"{objects.url}/{TIMESTAMP}", signed=signed, now=now)
            if root is not None or is_new:  # what is refused is not remembered
                replace_file(fs, metadata_dir / _PIN, anchor)
    except OSError as error:
        raise StorageError.from_os_error(metadata_dir, error) from error
    return VerifiedRemote(objects, _described(anchor, is_new=is_new), metadata)


def is_known(metadata_dir: Path) -> bool:
    """Say whether this machine trusts a root of a remote already."""
    return (metadata_dir / _PIN).exists()


def version_of(document: bytes) -> int:
    """Return the version of metadata that was verified."""
    version: int = Metadata[Any].from_bytes(document).signed.version
    return version


def expires_of(document: bytes) -> datetime:
    """Return when metadata that was verified ends, in UTC."""
    expires: datetime = Metadata[Any].from_bytes(document).signed.expires
    return expires


def signing_time(timestamp: bytes) -> datetime | None:
    """Return when a timestamp says that it was signed; None where it does not say it, or is no timestamp."""
    try:
        fields = Metadata[Timestamp].from_bytes(timestamp).signed.unrecognized_fields
        return datetime.strptime(str(fields.get(SIGNED_FIELD)), TIME_FORMAT).replace(tzinfo=UTC)
    except (RepositoryError, ValueError):
        return None


def _anchor(objects: Objects, metadata_dir: Path, root: bytes | None) -> tuple[bytes, bool]:
    """Return the root to begin with, and whether nothing but the remote vouches for it."""
    if root is not None:
        return root, False
    try:
        return (metadata_dir / _PIN).read_bytes(), False
    except FileNotFoundError:
        pass
    path = f"{METADATA_DIR}1.root.json"
    try:
        return objects.read(path, limit_bytes=_LIMITS.root_max_length), True
    except ObjectMissingError as error:
        reason = (
            "missing: nothing vouches for what this remote holds; its publisher can sign it (semcache keys init), and "
            "--allow-unsigned takes it as it is"
        )
        raise UnsignedRemoteError(f"{objects.url}/{path}", reason) from error
    except ObjectTooLargeError as error:
        raise ChangedMetadataError(error.url, _too_large(error)) from error


def _refresh(
    objects: Objects, metadata_dir: Path, anchor: bytes, *, now: datetime, allow_expired: bool
) -> dict[str, bytes]:
    """Have python-tuf bring its folder up to date; return the verified bytes of each role."""
    for left_behind in metadata_dir.glob("tmp*"):  # by a client that was killed
        left_behind.unlink()
    reader = _Reader(objects)
    try:
        updater = Updater(str(metadata_dir), METADATA_DIR, fetcher=reader, config=_LIMITS, bootstrap=anchor)
        # python-tuf asks the system for the time when it is made, and offers no other way
        updater._trusted_set.reference_time = _BEFORE_EVERYTHING if allow_expired else now  # noqa: SLF001
        updater.refresh()
    except (RepositoryError, DownloadError) as error:
        raise refusal(error, url=objects.url, read=reader.read, metadata_dir=metadata_dir, now=now) from error
    return {role: (metadata_dir / f"{role}.json").read_bytes() for role in ROLES}


class _Reader(FetcherInterface):
    """Hands objects to python-tuf; `read` keeps them, the last one last, for the message of a refusal."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.read: dict[str, bytes] = {}

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            data = self._objects.read(url, limit_bytes=MAX_METADATA_BYTES)
        except ObjectMissingError as error:
            if url.endswith(".root.json"):  # the last root has no successor
                raise DownloadHTTPError(str(error), 404) from error
            if url == TIMESTAMP:
                reason = "missing: nothing vouches for what this remote holds now; ask its publisher"
                raise UnsignedRemoteError(error.url, reason) from error
            raise
        except ObjectTooLargeError as error:
            raise ChangedMetadataError(error.url, _too_large(error)) from error
        self.read[url] = data
        yield data


def _too_large(error: ObjectTooLargeError) -> str:
    return f"has more than {error.limit_bytes:,} bytes, which no metadata has; ask its publisher"


def _described(root: bytes, *, is_new: bool) -> Anchor:
    signed = Metadata[Root].from_bytes(root).signed
    key_ids = tuple(sorted(signed.roles[Root.type].keyids))
    return Anchor(signed.version, hashlib.sha256(root).hexdigest(), key_ids, is_new)
