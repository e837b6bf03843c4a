"""Root metadata: which keys may sign what, how many it takes, and for how long each role counts.

A root is signed by the root keys that it names; a later one also by those of the root before it, so that a reader who
knows any of them follows to the last. Pure: bytes in, bytes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from semcache.config import KeysConfig
from semcache.errors import ChangedMetadataError, MissingExtraError
from semcache.store.signing_keys import SigningKey

try:
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root
except ImportError as error:
    raise MissingExtraError("signing a remote", extra="publish") from error

ONLINE_ROLES = ("targets", "snapshot", "timestamp")
"""The roles whose keys sign at every publish."""
_DAYS_FIELD = "x-semcache-days"
_MAX_DAYS = 3650


@dataclass(frozen=True, slots=True)
class RootState:
    """What a root says, and who has signed it.

    Attributes:
        version: from 1.
        expires: in UTC.
        thresholds: how many of its keys a role takes.
        key_ids: of each role.
        days: for how long each role's metadata counts.
        signed_by: ids of the root keys that signed it, those of the root before it included.
        n_missing: signatures that it still takes; 0 where readers will accept it.
        may_sign: ids of the root keys that have not signed.
    """

    version: int
    expires: datetime
    thresholds: Mapping[str, int]
    key_ids: Mapping[str, tuple[str, ...]]
    days: Mapping[str, int]
    signed_by: tuple[str, ...]
    n_missing: int
    may_sign: tuple[str, ...]


def first_root(keys: Mapping[str, Sequence[SigningKey]], config: KeysConfig, *, now: datetime) -> bytes:
    """Return root metadata of version 1, signed by all its root keys.

    Args:
        keys: of each role.
        config: thresholds and days.
        now: the time it is signed.
    """
    days = {role: getattr(config, f"{role}_days") for role in ("root", *ONLINE_ROLES)}
    root = Root(version=1, expires=end_of(now, days["root"]), unrecognized_fields={_DAYS_FIELD: days})
    for role, role_keys in keys.items():
        for key in role_keys:
            root.add_key(key.public, role)
    root.roles["root"].threshold = config.root_threshold
    return sign_root(Metadata(root).to_bytes(), keys["root"])


def next_root(
    current: bytes, *, role: str | None, add: Sequence[SigningKey], drop: Sequence[str], now: datetime
) -> bytes:
    """Return the root after this one, not signed yet.

    Args:
        current: a finished root.
        role: whose keys change; None: only the expiry does.
        add: keys that it gets.
        drop: ids of the keys that it loses.
        now: the time from which it counts.
    """
    root = parse_root(current).signed
    root.version += 1
    root.expires = end_of(now, days_of(root)["root"])
    if role is not None:
        for key_id in drop:
            root.revoke_key(key_id, role)
        for key in add:
            root.add_key(key.public, role)
    return Metadata(root).to_bytes()


def sign_root(data: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Return a root with the signatures of these keys beside those that it has."""
    document = parse_root(data)
    for key in keys:
        document.sign(key.signer, append=True)
    return document.to_bytes()


def root_state(data: bytes, previous: bytes | None) -> RootState:
    """Return what a root says, and how far it is signed.

    Raises:
        ChangedMetadataError: one of them is no root, or they do not follow each other.
    """
    document = parse_root(data)
    root = document.signed
    before = None if previous is None else parse_root(previous).signed
    try:
        found = root.get_root_verification_result(before, document.signed_bytes, document.signatures)
    except ValueError as error:
        raise ChangedMetadataError("root", str(error)) from error
    return RootState(
        version=root.version,
        expires=root.expires,
        thresholds={role: root.roles[role].threshold for role in ("root", *ONLINE_ROLES)},
        key_ids={role: tuple(sorted(root.roles[role].keyids)) for role in ("root", *ONLINE_ROLES)},
        days=days_of(root),
        signed_by=tuple(sorted(found.signed)),
        n_missing=max(found.first.missing, found.second.missing),
        may_sign=tuple(sorted(found.unsigned.keys() - found.signed.keys())),
    )


def parse_root(data: bytes) -> Metadata[Root]:
    """Return root metadata, whoever signed it.

    Raises:
        ChangedMetadataError: the bytes are none.
    """
    try:
        document = Metadata[Root].from_bytes(data)
    except RepositoryError as error:
        raise ChangedMetadataError("root", f"is no metadata: {error}") from error
    if document.signed.type != Root.type:
        raise ChangedMetadataError("root", f"found {document.signed.type} metadata, allowed root")
    return document


def days_of(root: Root) -> dict[str, int]:
    """Return for how many days each role's metadata counts; the defaults where a root of another program says none."""
    stated = root.unrecognized_fields.get(_DAYS_FIELD)
    found = {role: getattr(KeysConfig(), f"{role}_days") for role in ("root", *ONLINE_ROLES)}
    if isinstance(stated, dict):
        found |= {
            role: days
            for role, days in stated.items()
            if role in found and type(days) is int and 1 <= days <= _MAX_DAYS
        }
    return found


def end_of(now: datetime, days: int) -> datetime:
    """Return when what is signed now expires; metadata holds whole seconds."""
    return now.replace(microsecond=0) + timedelta(days=days)
