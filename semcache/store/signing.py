"""Publishing under signature: what a remote offers is changed in steps of which readers see only the last.

Every change has a number of its own. It is claimed by `<n>.timestamp.json`, which nobody can write twice; then come
the files that nothing names yet; `timestamp.json` is replaced at the end. A change that was cut off leaves files that
nobody reads, and its number is passed over once its claim has stood for `CLAIM_LIFETIME`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from semcache.errors import (
    MixedVersionsError,
    ObjectExistsError,
    ObjectMissingError,
    ObjectTooLargeError,
    PublishConflictError,
    StorageError,
    UnsignedRemoteError,
)
from semcache.store.fsio import FileSystem, replace_file
from semcache.store.lock import LockedError, exclusive_lock
from semcache.store.signing_keys import SigningKey
from semcache.store.trust import (
    MAX_METADATA_BYTES,
    METADATA_DIR,
    TIMESTAMP,
    Objects,
    expires_of,
    signing_time,
    target_object,
    verify_remote,
    version_of,
)
from semcache.store.trust_documents import Change, sha256_of_target
from semcache.store.trust_root import parse_root

CLAIM_LIFETIME = timedelta(minutes=15)
"""How long a number that was claimed counts as being published."""
_GIVE_UP_S = 300.0
"""A publisher that took longer than this since it read the remote stops: others may soon pass over its claim."""

_OWN_CLAIM = "claim.json"


@dataclass(frozen=True, slots=True)
class Published:
    """What a change left in a remote.

    Attributes:
        number: of the change.
        roles: which metadata it signed anew.
        expires: when each role's metadata ends, in UTC; the first of them is when somebody has to sign again.
    """

    number: int
    roles: tuple[str, ...]
    expires: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Signs what a remote offers.

    Attributes:
        objects: the remote.
        metadata_dir: what this publisher knows of this remote.
        roots: finished root metadata, oldest first, without gaps. Those that the remote lacks are brought to it.
        keys: private keys at hand; each signs the roles that a root names it for.
        clock: seconds that only rise.
    """

    objects: Objects
    metadata_dir: Path
    roots: Sequence[bytes]
    keys: Sequence[SigningKey]
    clock: Callable[[], float] = field(default=time.monotonic)

    def publish(
        self, files: Mapping[str, bytes], *, now: datetime, instead_of: Mapping[str, bytes | None] | None = None
    ) -> Published:
        """Offer files beside those that the remote offers already.

        Args:
            files: by path ("name/file").
            now: the time, with a zone.
            instead_of: what the remote must offer under these paths until now; None for nothing.

        Raises:
            PublishConflictError: somebody else publishes at this time, or has since this began.
            SignatureError: the keys at hand may not sign all that has to be signed.
            TrustError: one of its kinds: what the remote holds is not what its publishers signed.
            RemoteUnavailableError: the remote cannot be reached, or refuses.
            StorageError: the system refused to keep what was learned.
        """
        return self._change(files, now=now, is_first_allowed=True, instead_of=instead_of or {})

    def renew(self, *, now: datetime) -> Published:
        """Sign anew without new content: the timestamp always, the rest where half of its time is over.

        Also brings new roots to the remote, and signs what a rotated key had signed. Targets whose key is not at hand
        are left as they are while their root still accepts them.

        Raises:
            UnsignedRemoteError: nothing was ever published here.
            PublishConflictError, SignatureError, TrustError, RemoteUnavailableError, StorageError: as `publish`.
        """
        return self._change({}, now=now, is_first_allowed=False, instead_of={})

    def _change(
        self,
        files: Mapping[str, bytes],
        *,
        now: datetime,
        is_first_allowed: bool,
        instead_of: Mapping[str, bytes | None],
    ) -> Published:
        try:
            FileSystem().make_dir(self.metadata_dir)
            with exclusive_lock(self.metadata_dir / "publish.lock"):
                before = self._read(now)
                if before is None and not is_first_allowed:
                    reason = "nothing was ever published here; publish a bundle first"
                    raise UnsignedRemoteError(self.objects.url, reason)
                self._check_replaced(before, instead_of)
                return self._write(before, files, now=now)
        except LockedError as error:
            raise PublishConflictError(
                self.objects.url, "another program publishes with these keys; wait for it"
            ) from error
        except OSError as error:
            raise StorageError.from_os_error(self.metadata_dir, error) from error

    def _read(self, now: datetime) -> Mapping[str, bytes] | None:
        """Return the metadata that stands; None for a remote that nobody has published to."""
        known = (self.metadata_dir / "timestamp.json").exists()
        try:
            remote = verify_remote(
                self.objects, metadata_dir=self.metadata_dir, now=now, root=self.roots[0], allow_expired=True
            )
        except UnsignedRemoteError:
            if known:  # it was there, and somebody took it away
                raise
            return None
        return remote.metadata

    def _write(self, before: Mapping[str, bytes] | None, files: Mapping[str, bytes], *, now: datetime) -> Published:
        deadline = self.clock() + _GIVE_UP_S
        roots = self._missing_roots(before)
        standing = roots[max(roots)] if before is None else before["root"]
        coming = roots[max(roots)] if roots else standing
        number = self._free_number(before, now)
        change = Change(
            number, now, (parse_root(standing).signed, parse_root(coming).signed), self.keys, self.objects.url
        )
        documents = change.documents(before, files)

        self._claim(number, documents["timestamp"])
        if before is None:
            self._write_roots(roots)
        for path, data in files.items():
            self.objects.write(target_object(path, hashlib.sha256(data).hexdigest()), data)
        for role in ("targets", "snapshot"):
            if role in documents:
                self._write_new(f"{METADATA_DIR}{number}.{role}.json", documents[role])
        self._check_alone(before, deadline)
        self.objects.write(TIMESTAMP, documents["timestamp"])
        if before is not None:  # what stands now is signed for the root that readers have and for the next
            self._write_roots(roots)
        left = {**(before or {}), **documents, "root": coming}
        return Published(number, tuple(documents), {role: expires_of(data) for role, data in left.items()})

    def _missing_roots(self, before: Mapping[str, bytes] | None) -> dict[int, bytes]:
        """Return the roots that the remote lacks, by version."""
        roots = {version_of(root): root for root in self.roots}
        if before is None:
            return roots
        standing = version_of(before["root"])
        if roots.get(standing, before["root"]) != before["root"]:
            raise self._other_root(standing)
        return {version: root for version, root in roots.items() if version > standing}

    def _write_roots(self, roots: Mapping[int, bytes]) -> None:
        for version, root in sorted(roots.items()):
            path = f"{METADATA_DIR}{version}.root.json"
            try:
                self.objects.write(path, root, only_new=True)
            except ObjectExistsError as error:
                if self._standing(path) != root:
                    raise self._other_root(version) from error

    def _free_number(self, before: Mapping[str, bytes] | None, now: datetime) -> int:
        """Return the next number that nobody publishes under."""
        number = 1 if before is None else version_of(before["timestamp"]) + 1
        while (claim := self._standing(f"{METADATA_DIR}{number}.timestamp.json")) is not None:
            claimed = signing_time(claim)
            if claimed is not None and abs(now - claimed) < CLAIM_LIFETIME and claim != self._own_claim():
                reason = (
                    f"claimed at {claimed:%Y-%m-%d %H:%M} UTC: somebody else publishes, or was cut off; try again "
                    f"after {claimed + CLAIM_LIFETIME:%H:%M} UTC"
                )
                raise PublishConflictError(self.objects.url, f"version {number} was {reason}")
            number += 1
        return number

    def _claim(self, number: int, timestamp: bytes) -> None:
        """Take a number, and remember it: after a kill it need not be waited for."""
        replace_file(FileSystem(), self.metadata_dir / _OWN_CLAIM, timestamp)
        self._write_new(f"{METADATA_DIR}{number}.timestamp.json", timestamp)

    def _own_claim(self) -> bytes | None:
        path = self.metadata_dir / _OWN_CLAIM
        return path.read_bytes() if path.exists() else None

    def _check_replaced(self, before: Mapping[str, bytes] | None, instead_of: Mapping[str, bytes | None]) -> None:
        """Refuse to replace what somebody else has offered since the caller looked."""
        for path, data in instead_of.items():
            found = None if before is None else sha256_of_target(before["targets"], path)
            if found != (None if data is None else hashlib.sha256(data).hexdigest()):
                raise PublishConflictError(self.objects.url, f"offers another {path} meanwhile; publish again")

    def _check_alone(self, before: Mapping[str, bytes] | None, deadline: float) -> None:
        """Refuse to replace what somebody else has put there meanwhile, or may be about to."""
        if self._standing(TIMESTAMP) != (None if before is None else before["timestamp"]):
            raise PublishConflictError(
                self.objects.url, "changed by somebody else while this was published; publish again"
            )
        if self.clock() > deadline:
            raise PublishConflictError(self.objects.url, f"publishing took more than {_GIVE_UP_S:.0f} s; publish again")

    def _write_new(self, path: str, data: bytes) -> None:
        try:
            self.objects.write(path, data, only_new=True)
        except ObjectExistsError as error:
            raise PublishConflictError(error.url, "somebody else publishes at this moment; try again") from error

    def _standing(self, path: str) -> bytes | None:
        """Return an object; None where there is none, nothing where it is too large to be ours."""
        try:
            return self.objects.read(path, limit_bytes=MAX_METADATA_BYTES)
        except ObjectMissingError:
            return None
        except ObjectTooLargeError:
            return b""

    def _other_root(self, version: int) -> MixedVersionsError:
        reason = (
            "is not the root that is among the keys at hand: this remote belongs to other keys, or somebody else has "
            "rotated one; ask whoever holds them for their root metadata"
        )
        return MixedVersionsError(f"{self.objects.url}/{METADATA_DIR}{version}.root.json", reason)
