"""Sorted tables in one LMDB file: written once in key order, then read by mapping it.

The only file that knows LMDB. A record is `crc32 (4 bytes, little-endian, of key + payload) | payload`, so that a
byte that went bad on the disk is an error and never an answer. What the payloads mean is not decided here.

Views of LMDB's own map die with its environment, so none leaves this file: a payload is a view of a second map
of the same file, which shares its pages and lives for as long as anybody holds the view.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np

from semcache.errors import BundleCorruptError, StorageError
from semcache.store.mapping import map_file

_MAP_SIZE_BYTES = 1 << 40  # address space only; the file grows as it is written
_COMMIT_EVERY = 50_000
_CRC = struct.Struct("<I")


class TableWriter:
    """Writes tables into one file: keys of each table must come in rising order."""

    def __init__(self, path: Path, tables: Iterable[str]) -> None:
        """Create a scratch file at `path`; `finish` turns it into the sealed one.

        Raises:
            StorageError: the file cannot be created.
        """
        self._path = path
        names = tuple(tables)
        with _writing(path):
            self._env = lmdb.open(
                str(path), subdir=False, map_size=_MAP_SIZE_BYTES, max_dbs=len(names), sync=False, lock=False
            )
            self._dbs = {name: self._env.open_db(name.encode()) for name in names}
            self._txn = self._env.begin(write=True)
        self._pending = 0

    def put(self, table: str, key: bytes, payload: bytes) -> None:
        """Append one record.

        Raises:
            ValueError: the key is not above the table's last one.
            StorageError: the disk is full, or the like.
        """
        crc = _CRC.pack(zlib.crc32(payload, zlib.crc32(key)))
        with _writing(self._path):
            if not self._txn.put(key, crc + payload, db=self._dbs[table], append=True, overwrite=False):
                msg = f"{table}: key {key.hex()} twice"
                raise ValueError(msg)
            self._pending += 1
            if self._pending >= _COMMIT_EVERY:
                self._txn.commit()
                self._txn = self._env.begin(write=True)
                self._pending = 0

    def finish(self, sealed_path: Path) -> None:
        """Write the sealed, compact file and delete the scratch one. The bytes depend on the records only.

        Raises:
            StorageError: the disk is full, or the like.
        """
        with _writing(self._path):
            self._txn.commit()
            descriptor = os.open(sealed_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                self._env.copyfd(descriptor, compact=True)
            finally:
                os.close(descriptor)
            self.close()
            self._path.unlink()

    def close(self) -> None:
        """Let go of the scratch file, which stays. Safe to call twice."""
        self._env.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Translate what LMDB and the system say while writing."""
    try:
        yield
    except (lmdb.MapFullError, lmdb.DiskError) as error:
        raise StorageError.from_os_error(path, OSError(errno.ENOSPC, str(error))) from error
    except lmdb.KeyExistsError as error:
        msg = f"{path}: keys out of order"
        raise ValueError(msg) from error
    except lmdb.Error as error:
        raise _storage_error(path, error) from error
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def _storage_error(path: Path, error: lmdb.Error) -> StorageError:
    """py-lmdb hands system errors through as text; find the number again."""
    text = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO):
        if os.strerror(number) in text:
            return StorageError.from_os_error(path, OSError(number, os.strerror(number)))
    return StorageError(path, text)


@dataclass
class _OpenEnvironment:
    """An LMDB environment and how many readers share it: a process may open a file only once."""

    env: lmdb.Environment
    n_readers: int


_registry: dict[tuple[int, int], _OpenEnvironment] = {}
_registry_lock = threading.RLock()


def _acquire(path: Path) -> tuple[tuple[int, int], lmdb.Environment]:
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    with _registry_lock:
        shared = _registry.get(key)
        if shared is None:
            env = lmdb.open(
                str(path), subdir=False, readonly=True, lock=False, create=False, max_dbs=16, readahead=True
            )
            shared = _registry[key] = _OpenEnvironment(env, 0)
        shared.n_readers += 1
        return key, shared.env


def _release(key: tuple[int, int]) -> None:
    with _registry_lock:
        shared = _registry.get(key)
        if shared is None:
            return
        shared.n_readers -= 1
        if shared.n_readers == 0:
            del _registry[key]
            shared.env.close()


def _forget_in_child() -> None:
    """After fork: LMDB must not be used in the child, and must be closed before the child may open it anew."""
    global _registry_lock  # noqa: PLW0603 - the parent's other threads may have held it
    _registry_lock = threading.RLock()
    for shared in _registry.values():
        shared.env.close()
    _registry.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


class TableReader:
    """Reads the tables of a sealed file. Safe to share between threads; not across fork.

    The file must not change while it is open (a bundle is immutable). The environment is closed when the last
    reader of the file in this process is garbage, so a lookup that still runs is never cut off.
    """

    def __init__(self, path: Path, tables: Iterable[str]) -> None:
        """Open a sealed file.

        Raises:
            BundleCorruptError: not an LMDB file, or a table is missing.
            StorageError: it cannot be read.
        """
        self._path = path
        try:
            self._map = map_file(path)
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        except ValueError as error:
            raise BundleCorruptError(path, "is empty") from error
        self._view = memoryview(self._map)
        with self._reading():
            key, self._env = _acquire(path)
            weakref.finalize(self, _release, key)
            self._dbs = {name: self._env.open_db(name.encode(), create=False) for name in tables}
        self._base = self._find_base()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise BundleCorruptError(self._path, f"LMDB: {error}") from error
        except OSError as error:
            raise StorageError.from_os_error(self._path, error) from error

    def get(self, table: str, key: bytes) -> memoryview | None:
        """Return the payload under a key, a read-only view of the map, or None.

        Raises:
            BundleCorruptError: the record's bytes are not the ones that were written.
        """
        try:
            with self._env.begin(buffers=True) as txn:
                record = txn.get(key, db=self._dbs[table])
                if record is None:
                    return None
                view = self._lasting(record)
        except lmdb.Error as error:
            raise BundleCorruptError(self._path, f"LMDB: {error}") from error
        return self._payload(table, key, view)

    def get_all(self, wanted: Iterable[tuple[str, bytes]]) -> list[memoryview]:
        """Return the payloads of records that must be there, in one transaction.

        Raises:
            BundleCorruptError: one is missing, or its bytes are not the ones that were written.
        """
        payloads = []
        try:
            with self._env.begin(buffers=True) as txn:
                for table, key in wanted:
                    record = txn.get(key, db=self._dbs[table])
                    if record is None:
                        raise BundleCorruptError(self._path, f"{table}: record {key.hex()} is missing")
                    payloads.append(self._payload(table, key, self._lasting(record)))
        except lmdb.Error as error:
            raise BundleCorruptError(self._path, f"LMDB: {error}") from error
        return payloads

    def count(self, table: str) -> int:
        """Return the number of records in a table."""
        with self._reading(), self._env.begin() as txn:
            n: int = txn.stat(self._dbs[table])["entries"]
            return n

    def scan(self, table: str) -> Iterator[tuple[bytes, memoryview]]:
        """Yield every key and payload of a table in key order, each record checked."""
        with self._reading(), self._env.begin(buffers=True) as txn:
            for key, record in txn.cursor(db=self._dbs[table]):
                plain = bytes(key)
                yield plain, self._payload(table, plain, self._lasting(record))

    def _payload(self, table: str, key: bytes, record: memoryview) -> memoryview:
        payload = record[4:]
        if len(record) < 4 or zlib.crc32(payload, zlib.crc32(key)) != _CRC.unpack_from(record)[0]:
            raise BundleCorruptError(self._path, f"{table}: record {key.hex()} fails its checksum")
        return payload

    def _lasting(self, record: memoryview) -> memoryview:
        """Turn a view of LMDB's map into one of ours (same file, same pages)."""
        if self._base is None:
            return memoryview(bytes(record))
        start = _address(record) - self._base
        return self._view[start : start + len(record)]

    def _find_base(self) -> int | None:
        """Return where LMDB mapped the file; None (values are then copied) where that cannot be told.

        A leaf page starts with its own page number, so the page under any small record gives the base. The
        answer is held against the file before it is believed.
        """
        with self._reading(), self._env.begin(buffers=True) as txn:
            cursor = txn.cursor()
            if not cursor.first():
                return None
            record = cursor.value()
            page_bytes = self._env.stat()["psize"]
            address = _address(record)
            page = address - address % page_bytes
            (number,) = struct.unpack("<Q", ctypes.string_at(page, 8))
            base = page - number * page_bytes
            start: int = address - base
            return base if self._view[start : start + len(record)] == record else None


def _address(view: memoryview) -> int:
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address


def verify_file(path: Path) -> list[str]:
    """Walk every page of an LMDB file without trusting it; return all problems found.

    Source: py-lmdb 3.0, `lmdb.verify`.
    """
    from lmdb import verify  # noqa: PLC0415 - only a full check pays for it

    try:
        problems: list[str] = verify.verify(str(path))
    except (verify.VerifyError, OSError, struct.error) as error:
        return [f"cannot be verified: {error}"]
    return problems
