"""Keys that vouch for a remote: made, rotated, signed with, shown. The library behind `semcache keys`.

Root keys say which keys count, and are needed a few times a year: they belong offline. The keys of targets, snapshot
and timestamp sign at every publish, and stay where that runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from semcache.config import KeysConfig
from semcache.errors import ConfigError, KeyFileError
from semcache.remote.key_files import ID_LENGTH, KeyFiles, read_keys
from semcache.store.signing import Publisher
from semcache.store.signing_keys import SigningKey, new_key
from semcache.store.trust import Objects
from semcache.store.trust_root import ONLINE_ROLES, RootState, first_root, next_root, root_state, sign_root

ROLES = ("root", *ONLINE_ROLES)


@dataclass(frozen=True, slots=True)
class KeysReport:
    """What a folder of keys holds.

    Attributes:
        path: of the folder.
        fingerprint: sha256 of the first root, in hex; what readers see when they trust it.
        root: the last finished root.
        pending: a root that still lacks signatures.
        private: private keys at hand, by role.
        made: private keys that were made just now.
    """

    path: Path
    fingerprint: str
    root: RootState
    pending: RootState | None
    private: dict[str, list[Path]]
    made: list[Path]


def init_keys(
    keys_dir: Path,
    *,
    config: KeysConfig,
    passphrase: str | None,
    now: datetime,
    away_from: Sequence[Path] = (),
) -> KeysReport:
    """Make the keys of all roles, and the root that names them.

    Args:
        keys_dir: a folder that holds no keys yet.
        config: how many, and for how long signatures count.
        passphrase: encrypts the private keys; None leaves them as they are.
        now: the time, with a zone.
        away_from: folders that others read, where no key may be.

    Raises:
        KeyFileError: the folder holds keys, or stands within a remote or one of `away_from`.
        StorageError: the system refused.
    """
    files = KeyFiles(keys_dir)
    _check_place(keys_dir, away_from)
    keys = {role: [new_key() for _ in range(config.root_keys if role == "root" else 1)] for role in ROLES}
    made = [
        files.keep_key(key, role=role, passphrase=passphrase) for role, role_keys in keys.items() for key in role_keys
    ]
    files.keep_root(first_root(keys, config, now=now), previous=None)
    return _report(files, made)


def rotate_key(
    keys_dir: Path,
    role: str,
    *,
    passphrase: str | None,
    now: datetime,
    drop: str | None = None,
    key_paths: Sequence[Path] = (),
) -> KeysReport:
    """Replace a key of a role by a new one, in a new root. It counts once it is signed and in the remote.

    Args:
        keys_dir: a folder of keys.
        role: root, targets, snapshot or timestamp.
        passphrase: of the private keys; also encrypts the new one.
        now: the time, with a zone. The new root counts from it.
        drop: begin of the id of the key that goes; needed where the role has several.
        key_paths: private root keys that are kept elsewhere.

    Raises:
        ConfigError: no such role or key, or it is not clear which.
        KeyFileError: a key cannot be read, or a new root waits for signatures already.
        StorageError: the system refused.
    """
    if role not in ROLES:
        msg = f"role: found {role!r}, allowed {', '.join(ROLES)}"
        raise ConfigError(msg)
    files = KeyFiles(keys_dir)
    current = _last_root(files)
    dropped = _chosen(root_state(current, None).key_ids[role], drop, role)
    key = new_key()
    root = next_root(current, role=role, add=[key], drop=[dropped], now=now)
    root = _signed(
        files, root, current, passphrase=passphrase, key_paths=key_paths, extra=[key] if role == "root" else []
    )
    made = files.keep_key(key, role=role, passphrase=passphrase)
    files.keep_root(root, previous=current)
    return _report(files, [made])


def renew_root(keys_dir: Path, *, passphrase: str | None, now: datetime, key_paths: Sequence[Path] = ()) -> KeysReport:
    """Make a new root with the same keys, which counts from now. Arguments and errors as `rotate_key`."""
    files = KeyFiles(keys_dir)
    current = _last_root(files)
    root = next_root(current, role=None, add=[], drop=[], now=now)
    files.keep_root(_signed(files, root, current, passphrase=passphrase, key_paths=key_paths), previous=current)
    return _report(files)


def sign_pending(keys_dir: Path, *, passphrase: str | None, key_paths: Sequence[Path] = ()) -> KeysReport:
    """Add the signatures of the root keys at hand to the root that lacks some.

    Args:
        keys_dir: a folder of keys; another holder's may lack private keys.
        passphrase: of the private keys.
        key_paths: private root keys that are kept elsewhere.

    Raises:
        KeyFileError: no root waits, a key cannot be read, or none at hand may sign.
        StorageError: the system refused.
    """
    files = KeyFiles(keys_dir)
    current, pending = files.roots()[-1], files.pending()
    if pending is None:
        raise KeyFileError(keys_dir, "no root waits for signatures; semcache keys rotate makes one")
    files.keep_root(_signed(files, pending, current, passphrase=passphrase, key_paths=key_paths), previous=current)
    return _report(files)


def show_keys(keys_dir: Path) -> KeysReport:
    """Say what a folder of keys holds, without its passphrase.

    Raises:
        KeyFileError: it holds none.
    """
    return _report(KeyFiles(keys_dir))


def publisher_of(
    objects: Objects, keys_dir: Path, *, url: str, passphrase: str | None, key_paths: Sequence[Path] = ()
) -> Publisher:
    """Return who signs for a remote with the keys of a folder. Root keys stay unread.

    Args:
        objects: the remote.
        keys_dir: a folder of keys.
        url: of the remote; what was seen of it is kept by it.
        passphrase: of the private keys.
        key_paths: private keys that are kept elsewhere.

    Raises:
        KeyFileError: there are no keys, or one cannot be read.
    """
    files = KeyFiles(keys_dir)
    online = [path for role in ONLINE_ROLES for path in files.private_paths(role)]
    return Publisher(objects, files.seen_dir(url), files.roots(), read_keys([*online, *key_paths], passphrase))


def private_paths(keys_dir: Path, key_paths: Sequence[Path] = ()) -> list[Path]:
    """Return the private keys that a command may read."""
    return [*KeyFiles(keys_dir).private_paths(), *key_paths]


def _last_root(files: KeyFiles) -> bytes:
    """Return the root to build on; not where another one is under way."""
    if files.pending() is not None:
        reason = (
            "a root waits for signatures here already; have it signed (semcache keys sign), or delete pending.root.json"
        )
        raise KeyFileError(files.path, reason)
    return files.roots()[-1]


def _signed(
    files: KeyFiles,
    root: bytes,
    current: bytes,
    *,
    passphrase: str | None,
    key_paths: Sequence[Path],
    extra: Sequence[SigningKey] = (),
) -> bytes:
    """Return a root with the signatures of all root keys at hand that it, or the one before it, names."""
    named = {key_id for data in (current, root) for key_id in root_state(data, None).key_ids["root"]}
    at_hand = read_keys([*files.private_paths("root"), *key_paths], passphrase)
    signing = [key for key in [*at_hand, *extra] if key.id in named]
    if not signing:
        wanted = ", ".join(sorted(key_id[:ID_LENGTH] for key_id in named))
        raise KeyFileError(files.path, f"no root key at hand; bring {wanted}, or name its file with --key")
    return sign_root(root, signing)


def _chosen(key_ids: Sequence[str], begin: str | None, role: str) -> str:
    found = [key_id for key_id in key_ids if key_id.startswith(begin or "")]
    if len(found) != 1:
        names = ", ".join(key_id[:ID_LENGTH] for key_id in key_ids)
        msg = f"--drop: found {begin or 'nothing'}, allowed one of the keys of {role}: {names}"
        raise ConfigError(msg)
    return found[0]


def _check_place(keys_dir: Path, away_from: Sequence[Path]) -> None:
    """Refuse a folder that holds keys, or that others read."""
    place = keys_dir.absolute().resolve()
    if list(keys_dir.glob("roots/*.root.json")):
        raise KeyFileError(
            keys_dir, "holds keys already; rotate them with semcache keys rotate, or name another folder"
        )
    for folder in (place, *place.parents):
        if (folder / "metadata" / "1.root.json").exists():
            raise KeyFileError(keys_dir, f"stands within the remote {folder}, which others read; name another folder")
    for folder in away_from:
        if place.is_relative_to(folder.absolute().resolve()):
            raise KeyFileError(keys_dir, f"stands within {folder}, whose content is shared; name another folder")


def _report(files: KeyFiles, made: Sequence[Path] = ()) -> KeysReport:
    roots, pending = files.roots(), files.pending()
    return KeysReport(
        path=files.path,
        fingerprint=hashlib.sha256(roots[0]).hexdigest(),
        root=root_state(roots[-1], roots[-2] if len(roots) > 1 else None),
        pending=None if pending is None else root_state(pending, roots[-1]),
        private={role: files.private_paths(role) for role in ROLES},
        made=list(made),
    )
