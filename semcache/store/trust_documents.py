"""The metadata of one change to a remote: targets, snapshot, timestamp, signed. Pure: bytes in, bytes out.

All that a change signs carries its number as version. A document is signed by every key at hand that the root of the
readers, or the root they will have next, names for it: so a key is rotated without a moment in which nobody's
signature counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, TargetFile, Targets, Timestamp

from semcache.errors import SignatureError
from semcache.store.signing_keys import SigningKey
from semcache.store.trust import SIGNED_FIELD, TIME_FORMAT
from semcache.store.trust_root import days_of, end_of

_HASHES = ["sha256"]


@dataclass(frozen=True, slots=True)
class Change:
    """When and by whom a change is signed.

    Attributes:
        number: the version of all that it signs.
        now: the time.
        roots: the root that readers have, and the one they will have; the same where it stays.
        keys: private keys at hand.
        url: of the remote, for messages.
    """

    number: int
    now: datetime
    roots: tuple[Root, Root]
    keys: Sequence[SigningKey]
    url: str

    def documents(self, before: Mapping[str, bytes] | None, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the metadata that is new, by role; the timestamp always is.

        Args:
            before: the metadata that stands; None for the first.
            files: what is offered beside what stands, by path.

        Raises:
            SignatureError: the keys at hand may not sign what has to be signed.
        """
        old = before or {}
        found = {}
        if files or self._is_due("targets", old):
            found["targets"] = self._sign("targets", self._targets(old, files))
        if found or self._is_due("snapshot", old):
            targets = found.get("targets") or old["targets"]
            found["snapshot"] = self._sign("snapshot", self._snapshot(targets))
        snapshot = found.get("snapshot") or old["snapshot"]
        found["timestamp"] = self._sign("timestamp", self._timestamp(snapshot))
        return found

    def _targets(self, old: Mapping[str, bytes], files: Mapping[str, bytes]) -> Targets:
        standing = Metadata[Targets].from_bytes(old["targets"]).signed.targets if old else {}
        targets = standing | {path: TargetFile.from_data(path, data, _HASHES) for path, data in files.items()}
        return Targets(version=self.number, expires=self._end("targets"), targets=targets)

    def _snapshot(self, targets: bytes) -> Snapshot:
        return Snapshot(version=self.number, expires=self._end("snapshot"), meta={"targets.json": _meta(targets)})

    def _timestamp(self, snapshot: bytes) -> Timestamp:
        return Timestamp(
            version=self.number,
            expires=self._end("timestamp"),
            snapshot_meta=_meta(snapshot),
            unrecognized_fields={SIGNED_FIELD: self.now.strftime(TIME_FORMAT)},
        )

    def _is_due(self, role: str, old: Mapping[str, bytes]) -> bool:
        """Say whether a document has to be signed anew: its key was rotated, or it can be and half its time is over."""
        if role not in old:
            return True
        document = Metadata[Any].from_bytes(old[role])
        root = self.roots[-1]
        if not root.get_verification_result(role, document.signed_bytes, document.signatures):
            return True
        left = document.signed.expires - self.now
        n_keys = sum(key.id in root.roles[role].keyids for key in self.keys)
        return left < timedelta(days=days_of(root)[role]) / 2 and n_keys >= root.roles[role].threshold

    def _sign(self, role: str, payload: T) -> bytes:
        document = Metadata(payload)
        named = {key_id for root in self.roots for key_id in root.roles[role].keyids}
        for key in self.keys:
            if key.id in named:
                document.sign(key.signer, append=True)
        try:
            self.roots[-1].verify_delegate(role, document.signed_bytes, document.signatures)
        except UnsignedMetadataError as error:
            wanted = ", ".join(key_id[:8] for key_id in sorted(self.roots[-1].roles[role].keyids))
            reason = f"{error}; it takes the private key {wanted}, which is not among the keys at hand"
            raise SignatureError(self.url, reason) from error
        return document.to_bytes()

    def _end(self, role: str) -> datetime:
        return end_of(self.now, days_of(self.roots[-1])[role])


def sha256_of_target(targets: bytes, path: str) -> str | None:
    """Return the sha256 of what targets metadata that was verified names under a path; None where it names nothing."""
    target = Metadata[Targets].from_bytes(targets).signed.targets.get(path)
    return None if target is None else target.hashes.get("sha256")


def _meta(document: bytes) -> MetaFile:
    return MetaFile.from_data(Metadata[Any].from_bytes(document).signed.version, document, _HASHES)
