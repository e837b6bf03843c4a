"""A folder of keys on disk.

    <keys>/roots/<n>.root.json       finished root metadata: public, the same as in the remote
    <keys>/pending.root.json         one that still lacks signatures
    <keys>/private/<role>-<id>.pem   private keys, for their owner only; <id> is the begin of the key's id
    <keys>/seen/<remote>/            what was seen of each remote that these keys publish to

Nothing here decides who may sign what.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from semcache.errors import KeyFileError, StorageError
from semcache.store.fsio import FileSystem, replace_file
from semcache.store.signing_keys import KeyFormatError, SigningKey, from_pem, is_encrypted, to_pem
from semcache.store.trust_root import root_state

ID_LENGTH = 8
"""Characters of a key's id that people and file names use."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The files below one folder of keys."""

    path: Path

    def roots(self) -> list[bytes]:
        """Return the finished roots, oldest first.

        Raises:
            KeyFileError: there is none.
        """
        paths = {int(path.name.partition(".")[0]): path for path in self.path.glob("roots/*.root.json")}
        if not paths:
            raise KeyFileError(self.path, "no keys here; make some with semcache keys init, or name their folder")
        return [path.read_bytes() for _, path in sorted(paths.items())]

    def pending(self) -> bytes | None:
        """Return the root that lacks signatures, if there is one."""
        return self._pending_path.read_bytes() if self._pending_path.exists() else None

    def keep_root(self, root: bytes, *, previous: bytes | None) -> None:
        """Keep a root: as finished where it has all signatures, else as pending."""
        state = root_state(root, previous)
        fs = FileSystem()
        try:
            if state.n_missing:
                replace_file(fs, self._pending_path, root)
                return
            fs.make_dir(self.path / "roots")
            replace_file(fs, self.path / "roots" / f"{state.version}.root.json", root)
            if self._pending_path.exists():
                fs.remove_file(self._pending_path)
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error

    def keep_key(self, key: SigningKey, *, role: str, passphrase: str | None) -> Path:
        """Write a private key that only its owner may read; return where."""
        path = self._private_dir / f"{role}-{key.id[:ID_LENGTH]}.pem"
        fs = FileSystem()
        try:
            fs.make_dir(self._private_dir)
            self._private_dir.chmod(0o700)
            fs.write_secret(path, to_pem(key, passphrase))
            fs.sync_file(path)
            fs.sync_dir(self._private_dir)
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        return path

    def private_paths(self, role: str = "*") -> list[Path]:
        """Return the private keys of a role in this folder; by default all."""
        return sorted(self._private_dir.glob(f"{role}-*.pem"))

    def seen_dir(self, url: str) -> Path:
        """Return where what was seen of a remote is kept."""
        return self.path / "seen" / hashlib.sha256(url.encode()).hexdigest()[:32]

    @property
    def _pending_path(self) -> Path:
        return self.path / "pending.root.json"

    @property
    def _private_dir(self) -> Path:
        return self.path / "private"


def read_keys(paths: Sequence[Path], passphrase: str | None) -> list[SigningKey]:
    """Read private keys.

    Args:
        paths: their files.
        passphrase: one for all that are encrypted.

    Raises:
        KeyFileError: a file is missing, open to others, no key, or not of this passphrase.
    """
    return [_read_key(path, passphrase) for path in paths]


def needs_passphrase(paths: Sequence[Path]) -> bool:
    """Say whether one of these keys is encrypted."""
    for path in paths:
        with suppress(OSError):  # said when it is read
            if is_encrypted(path.read_bytes()):
                return True
    return False


def _read_key(path: Path, passphrase: str | None) -> SigningKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileError(path, f"the private key cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise KeyFileError(path, f"others may read this private key (mode {mode:03o}, allowed 600); chmod 600 {path}")
    if is_encrypted(data) and not passphrase:
        raise KeyFileError(path, "the private key is encrypted; give its passphrase in SEMCACHE_KEYS_PASSPHRASE")
    try:
        return from_pem(data, passphrase)
    except KeyFormatError as error:
        raise KeyFileError(path, f"no private key of ours, or not its passphrase: {error}") from error
