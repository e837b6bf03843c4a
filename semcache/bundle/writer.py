"""Writes a version of a bundle into a staging folder, and makes it the live one.

Steps and what a crash after each leaves: FORMAT.md, "Writing". Nothing here reads a corpus or embeds.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.arrays import save_array
from semcache.bundle.live import go_live, locked_name, versions_that_were_live
from semcache.bundle.records import number_key, pack_entry, pack_rows, pack_value, pack_variant
from semcache.core.manifest import FileInfo, Manifest, version_id
from semcache.core.text import KEY_BYTES
from semcache.core.vectors import FloatRows
from semcache.errors import ConfigError, StorageError
from semcache.store.codec import ValueCodec
from semcache.store.fsio import FileSystem, publish_dir
from semcache.store.lmdb_values import TableWriter, records_sha256
from semcache.types import VariantKind

_HASH_BLOCK_BYTES = 1 << 20


class Staging:
    """A folder in which one build of one name works, under the name's lock.

    Attributes:
        name: the bundle's name.
        folder: where the new version grows.
        bundle_dir: `<root>/<name>`.
    """

    def __init__(self, fs: FileSystem, bundle_dir: Path, folder: Path) -> None:
        self._fs, self.bundle_dir, self.folder = fs, bundle_dir, folder
        self.name = bundle_dir.name

    def publish(self, manifest: Manifest, *, check: Callable[[str], None] | None = None) -> tuple[str, bool]:
        """Make the staged files a version and the version the live one, durably.

        Args:
            manifest: of the staged files.
            check: called with the id of the version before it goes live. Where it raises, the live version stays,
                and one that never was live is deleted.

        Returns:
            The version's id, and whether it is new: the same content is the same version.
        """
        fs, raw = self._fs, manifest.to_bytes()
        identity = version_id(raw)
        fs.write_bytes(self.folder / layout.MANIFEST_FILE, raw)
        target = self.bundle_dir / layout.VERSIONS_DIR / identity
        is_new = not _holds(target, manifest, raw)
        if is_new:
            damaged = target.with_name(f"{layout.STAGING_PREFIX}damaged-{identity}")
            publish_dir(fs, self.folder, target, aside=damaged if target.exists() else None)
        else:
            fs.sync_dir(target.parent)  # whoever published it may have died before this
        if check is not None:
            try:
                check(identity)
            except BaseException:
                if identity not in versions_that_were_live(self.bundle_dir):
                    fs.remove_tree(target)
                raise
        go_live(fs, self.bundle_dir, identity)
        return identity, is_new


def check_name(name: str) -> None:
    """Raise ConfigError where a bundle may not be called this."""
    if not layout.is_name(name):
        msg = f"name: found {name!r}, allowed {layout.NAME_PATTERN.pattern} but not {layout.RESERVED_NAMES}"
        raise ConfigError(msg)


@contextmanager
def open_staging(fs: FileSystem, root: Path, name: str) -> Iterator[Staging]:
    """Lock a bundle's name, clear what a killed build left, and give a fresh staging folder.

    The folder is deleted at the end, unless it was published.

    Raises:
        ConfigError: the name is not allowed.
        BuildLockedError: a build, a pull, a rollback or a removal of this name is running.
        StorageError: the system refuses.
    """
    check_name(name)
    bundle_dir = root / name
    versions_dir = bundle_dir / layout.VERSIONS_DIR
    with _system_errors(bundle_dir):
        fs.make_dir(versions_dir)
        for folder in (root.absolute().parent, root, bundle_dir):  # whoever made them may have died before this
            fs.sync_dir(folder)
        with locked_name(bundle_dir):
            clear_debris(fs, bundle_dir)
            folder = versions_dir / f"{layout.STAGING_PREFIX}{os.getpid()}"
            try:
                fs.make_dir(folder)
                yield Staging(fs, bundle_dir, folder)
            finally:
                if folder.exists():
                    with suppress(OSError):  # the reason why we are here matters more
                        fs.remove_tree(folder)


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.from_os_error(error.filename or path, error) from error


def clear_debris(fs: FileSystem, bundle_dir: Path) -> None:
    """Delete what killed builds left. Called under the lock: so no live build owns it."""
    for path in debris(bundle_dir):
        if path.is_dir():
            fs.remove_tree(path)
        else:
            fs.remove_file(path)


def debris(bundle_dir: Path) -> list[Path]:
    """Return what builds work with until they end."""
    staged = (bundle_dir / layout.VERSIONS_DIR).glob(f"{layout.STAGING_PREFIX}*")
    written = (bundle_dir / f"{name}.new" for name in (layout.CURRENT_FILE, layout.HISTORY_FILE, layout.PULLED_FILE))
    releases = (bundle_dir / layout.RELEASES_DIR).glob("*.new")
    return [*staged, *(path for path in written if path.exists()), *releases]


def _holds(target: Path, manifest: Manifest, raw: bytes) -> bool:
    """Say whether a version folder is there, whole and undamaged."""
    try:
        if (target / layout.MANIFEST_FILE).read_bytes() != raw:
            return False
        return all(file_info(target / name) == info for name, info in manifest.files.items())
    except OSError:
        return False


def file_info(path: Path) -> FileInfo:
    """Return size and sha256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    digest, size_bytes = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return FileInfo(size_bytes=size_bytes, sha256=digest.hexdigest())


class VersionWriter:
    """Streams entries and variants into the files of a version. Numbers count up from 0 in the order of calls.

    Attributes:
        n_values: answers stored so far, which is the number the next one gets.
    """

    def __init__(self, folder: Path, *, codec: ValueCodec | None, dictionary: bytes) -> None:
        """Start a version in an empty folder.

        Args:
            folder: the staging folder.
            codec: compresses values; None stores them raw.
            dictionary: what the codec was made of; stored beside the values.

        Raises:
            StorageError: the system refuses.
        """
        self._folder, self._codec = folder, codec
        self._tables = TableWriter(folder / f"{layout.VALUES_FILE}.scratch", layout.TABLES)
        self._row_entries, self._key_rows = array("i"), array("I")
        self._entry_fields: list[tuple[int, int, int]] = []
        self._keys = bytearray()
        self.n_values = 0
        if dictionary:
            self._tables.put(layout.META_TABLE, layout.DICTIONARY_KEY, dictionary)

    def add_value(self, content: bytes, value_type: Literal["text", "json"]) -> int:
        """Store an answer and return its number. Compressed only where that makes it smaller."""
        stored = self._codec.compress(content) if self._codec else content
        is_compressed = len(stored) < len(content)
        payload = pack_value(stored if is_compressed else content, is_compressed=is_compressed, value_type=value_type)
        self._tables.put(layout.VALUES_TABLE, number_key(self.n_values), payload)
        self.n_values += 1
        return self.n_values - 1

    def add_entry(
        self, entry_id: str, *, namespace: int, answer: int, valid_until: int | None, metadata_json: bytes
    ) -> int:
        """Store an entry and return its number."""
        number = len(self._entry_fields)
        self._entry_fields.append((namespace, answer, layout.NEVER if valid_until is None else valid_until))
        self._tables.put(layout.ENTRIES_TABLE, number_key(number), pack_entry(entry_id, metadata_json))
        return number

    def add_variant(self, entry: int, kind: VariantKind, text: str, key: bytes) -> int:
        """Store an indexed text with its exact key and return its row."""
        row = len(self._row_entries)
        self._row_entries.append(~entry if kind is VariantKind.GUARD else entry)
        self._tables.put(layout.VARIANTS_TABLE, number_key(row), pack_variant(kind, text))
        self._keys += key
        self._key_rows.append(row)
        return row

    def finish(self, probes: FloatRows) -> int:
        """Write every file but the index and the manifest. Returns the number of exact keys."""
        n_keys = self._put_keys()
        values_path = self._folder / layout.VALUES_FILE
        self._tables.finish(values_path)
        (self._folder / layout.RECORDS_FILE).write_bytes(f"{records_sha256(values_path)}\n".encode("ascii"))
        self._save(layout.ROWS_FILE, np.array(self._row_entries, dtype=layout.ROW_DTYPE))
        self._save(layout.ENTRIES_FILE, np.array(self._entry_fields, dtype=layout.ENTRY_DTYPE))
        self._save(layout.PROBES_FILE, probes.astype("<f4"))
        return n_keys

    def close(self) -> None:
        """Let go of the scratch files. Safe to call at any time."""
        self._tables.close()

    def _put_keys(self) -> int:
        raw = bytes(self._keys)
        as_numbers = np.frombuffer(raw, dtype=[("high", ">u8"), ("low", ">u8")])  # sort as their bytes do
        order = np.lexsort((as_numbers["low"], as_numbers["high"]))
        n_keys = 0
        for key, rows in _group(raw, order):
            self._tables.put(layout.KEYS_TABLE, key, pack_rows(self._key_rows[i] for i in rows))
            n_keys += 1
        return n_keys

    def _save(self, name: str, values: npt.NDArray[Any]) -> None:
        save_array(self._folder / name, values)


def _group(raw: bytes, order: Iterable[int]) -> Iterator[tuple[bytes, list[int]]]:
    """Yield each distinct key, in the order given, with the positions it stands at."""
    last, members = b"", list[int]()
    for i in order:
        key = raw[i * KEY_BYTES : (i + 1) * KEY_BYTES]
        if key != last and members:
            yield last, members
            members = []
        last = key
        members.append(int(i))
    if members:
        yield last, members


def version_files(folder: Path) -> dict[str, FileInfo]:
    """Return size and digest of each file of a finished version."""
    return {name: file_info(folder / name) for name in layout.VERSION_FILES}
