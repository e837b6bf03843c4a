"""Sorted tables in one LMDB file: written once in key order, then read by mapping it.

The only file that knows LMDB. A record is `crc32 (4 bytes, little-endian, of key + payload) | payload`, so that a
byte that went bad on the disk is an error and never an answer. What the payloads mean is not decided here.

Views of LMDB's own map die with its environment, so there are none: a payload is a copy, or a view of a second map of
the same file, which shares its pages and lives for as long as anybody holds the view. Where in the file the records
of the viewed table are is known from the walk over its pages at open.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zlib import crc32

import lmdb

from semcache.errors import BundleCorruptError, StorageError
from semcache.store.lmdb_free_space import clear_free_space
from semcache.store.lmdb_pages import PageError, check_pages
from semcache.store.mapping import map_file

_MAP_SIZE_BYTES = 1 << 40  # address space only; the file grows as it is written
_COMMIT_EVERY = 50_000
_FEW_PAGES_BYTES = 64 << 10
_FORK_WAIT_S = 1e-4
_CRC = struct.Struct("<I")
_read_crc = _CRC.unpack_from


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
        with _writing(self._path):
            if not self._txn.put(key, _sealed(key, payload), db=self._dbs[table], append=True, overwrite=False):
                msg = f"{table}: key {key.hex()} twice"
                raise ValueError(msg)
            self._count(1)

    def put_all(self, table: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Append records, keys and payloads, as `put` does: in a quarter of the time that it takes one by one.

        Raises:
            ValueError: a key is not above the one before it.
            StorageError: the disk is full, or the like.
        """
        taken = iter(records)
        while run := [(key, _sealed(key, payload)) for key, payload in islice(taken, _COMMIT_EVERY)]:
            with _writing(self._path):
                _, n_added = self._txn.cursor(self._dbs[table]).putmulti(run, append=True, overwrite=False)
                if n_added != len(run):
                    msg = f"{table}: keys twice or out of order"
                    raise ValueError(msg)
                self._count(n_added)

    def _count(self, n_records: int) -> None:
        """Commit once in a while, so that what is not committed stays small."""
        self._pending += n_records
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
            clear_free_space(sealed_path, page_bytes=self._env.stat()["psize"])
            self.close()
            self._path.unlink()

    def close(self) -> None:
        """Let go of the scratch file, which stays. Safe to call twice."""
        self._env.close()


def _sealed(key: bytes, payload: bytes) -> bytes:
    return _CRC.pack(crc32(payload, crc32(key))) + payload


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
            is_cut_short = number == errno.EIO and _is_full(path.parent)  # LMDB calls both an I/O error
            found = errno.ENOSPC if is_cut_short else number
            return StorageError.from_os_error(path, OSError(found, os.strerror(found)))
    return StorageError(path, text)


def _is_full(folder: Path) -> bool:
    """Say whether a folder's disk has no room for a few pages more."""
    try:
        return shutil.disk_usage(folder).free < _FEW_PAGES_BYTES
    except OSError:
        return False


@dataclass
class _OpenEnvironment:
    """An LMDB environment and how many readers share it: a process may open a file only once."""

    env: lmdb.Environment
    n_readers: int


class _ForkGate:
    """Keeps a fork out of the middle of LMDB's calls.

    LMDB counts the calls that run, and closing waits for the count to fall: in a child, for ever, where another
    thread was in one at the fork. So a fork waits until none runs, and calls that begin meanwhile wait for it.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.running: list[None] = []
        self.is_closed = False
        self._opened = threading.Event()
        self._one_fork = threading.Lock()

    def __enter__(self) -> None:
        self.running.append(None)
        while self.is_closed:
            self.running.pop()
            self._opened.wait()
            self.running.append(None)

    def __exit__(self, *_: object) -> None:
        self.running.pop()

    def before_fork(self) -> None:
        self._one_fork.acquire()  # the end of one fork must not open the gate before another one
        self._opened.clear()
        self.is_closed = True
        while self.running:
            time.sleep(_FORK_WAIT_S)  # lets the threads that are in a call come out of it

    def in_parent(self) -> None:
        self.is_closed = False
        self._opened.set()
        self._one_fork.release()

    def in_child(self) -> None:
        """Begin anew: whoever waits or runs in the parent does not exist here."""
        self._reset()


_gate = _ForkGate()
_registry: dict[tuple[int, int], _OpenEnvironment] = {}
_registry_lock = threading.RLock()


def _acquire(path: Path) -> tuple[tuple[int, int], lmdb.Environment]:
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    with _registry_lock, _gate:
        shared = _registry.get(key)
        if shared is None:
            env = lmdb.open(
                str(path), subdir=False, readonly=True, lock=False, create=False, max_dbs=16, readahead=True
            )
            shared = _registry[key] = _OpenEnvironment(env, 0)
        shared.n_readers += 1
        return key, shared.env


def _release(key: tuple[int, int]) -> None:
    with _registry_lock, _gate:
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
    _gate.in_child()
    for shared in _registry.values():
        shared.env.close()
    _registry.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_gate.before_fork, after_in_parent=_gate.in_parent, after_in_child=_forget_in_child)


class _Transaction(threading.local):
    """A thread's read transaction, begun when it first reads. The file never changes, so one serves for good."""

    def __init__(self, env: lmdb.Environment) -> None:
        self.get: Callable[[bytes, None, object], bytes | None] = env.begin().get


class TableReader:
    """Reads the tables of a sealed file. Safe to share between threads; not across fork.

    The file must not change while it is open (a bundle is immutable). The environment is closed when the last
    reader of the file in this process is garbage, so a lookup that still runs is never cut off.

    Attributes:
        records_sha256: digest of the checksums of all records, which tells one file from another.
    """

    def __init__(self, path: Path, tables: Iterable[str], *, viewed: str = "") -> None:
        """Open a sealed file.

        Args:
            path: the file.
            tables: their names.
            viewed: the table whose records `view` gives; 16 bytes of memory a record.

        Raises:
            BundleCorruptError: not a sound LMDB file, or a table is missing.
            StorageError: it cannot be read.
        """
        self._path, self._viewed = path, viewed
        try:
            self._view = memoryview(map_file(path))
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        except ValueError as error:
            raise BundleCorruptError(path, "is empty") from error
        try:
            checked = check_pages(self._view, places_of=viewed)
        except PageError as error:
            raise BundleCorruptError(path, f"LMDB: {error}") from error
        self.records_sha256 = checked.records_sha256
        self._starts, self._stops = checked.starts + _CRC.size, checked.stops
        with self._reading():
            key, self._env = _acquire(path)
            weakref.finalize(self, _release, key)
            with _gate:
                self._dbs = {name: self._env.open_db(name.encode(), create=False) for name in tables}
                self._local = _Transaction(self._env)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise BundleCorruptError(self._path, f"LMDB: {error}") from error
        except OSError as error:
            raise StorageError.from_os_error(self._path, error) from error

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return a copy of the payload under a key, or None.

        Raises:
            BundleCorruptError: the record's bytes are not the ones that were written.
        """
        _gate.running.append(None)  # what entering the gate does, without a call where it is open
        if _gate.is_closed:
            _gate.running.pop()
            _gate.__enter__()
        try:
            record = self._local.get(key, None, self._dbs[table])  # by position: py-lmdb is slower by name
        except lmdb.Error as error:
            raise BundleCorruptError(self._path, f"LMDB: {error}") from error
        finally:
            _gate.running.pop()
        if record is None:
            return None
        payload = record[4:]
        if len(record) < 4 or crc32(payload, crc32(key)) != _read_crc(record)[0]:
            raise self._damaged(table, key)
        return payload

    def get_all(self, *wanted: tuple[str, bytes]) -> list[bytes]:
        """Return copies of the payloads of records that must be there, as `need` does."""
        return [self.need(table, key) for table, key in wanted]

    def need(self, table: str, key: bytes) -> bytes:
        """Return a copy of the payload of a record that must be there.

        Raises:
            BundleCorruptError: it is missing, or its bytes are not the ones that were written.
        """
        payload = self.get(table, key)
        if payload is None:
            raise self._missing(table, key)
        return payload

    def view(self, key: bytes, *, number: int) -> memoryview:
        """Return a read-only view of the map for the payload of a record of the viewed table that must be there.

        Args:
            key: of the record.
            number: how many keys of the table are below it. Where that is wrong (a table with a gap) the checksum,
                which covers the key, tells, and the record is searched and copied.

        Raises:
            BundleCorruptError: it is missing, or its bytes are not the ones that were written.
        """
        if number < len(self._starts):
            start = self._starts.item(number)
            payload = self._view[start : self._stops.item(number)]
            if crc32(payload, crc32(key)) == _read_crc(self._view, start - _CRC.size)[0]:
                return payload
        return memoryview(self.need(self._viewed, key))

    def _missing(self, table: str, key: bytes) -> BundleCorruptError:
        return BundleCorruptError(self._path, f"{table}: record {key.hex()} is missing")

    def _damaged(self, table: str, key: bytes) -> BundleCorruptError:
        return BundleCorruptError(self._path, f"{table}: record {key.hex()} fails its checksum")

    def items(self, table: str) -> list[tuple[bytes, bytes]]:
        """Return keys and payloads of a table, in the order of its keys.

        Raises:
            BundleCorruptError: a record's bytes are not the ones that were written.
        """
        with self._reading(), _gate, self._env.begin() as txn:
            records: list[tuple[bytes, bytes]] = list(txn.cursor(self._dbs[table]))
        for key, record in records:
            if len(record) < _CRC.size or crc32(record[_CRC.size :], crc32(key)) != _read_crc(record)[0]:
                raise self._damaged(table, key)
        return [(key, record[_CRC.size :]) for key, record in records]

    def count(self, table: str) -> int:
        """Return the number of records in a table."""
        with self._reading(), _gate, self._env.begin() as txn:
            n: int = txn.stat(self._dbs[table])["entries"]
            return n


def records_sha256(path: Path) -> str:
    """Return the digest of the checksums of all records of a sealed file, as 64 hex digits.

    Raises:
        BundleCorruptError: not a sound LMDB file.
        StorageError: it cannot be read.
    """
    try:
        return check_pages(memoryview(map_file(path))).records_sha256
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    except ValueError as error:  # a PageError, or an empty file
        raise BundleCorruptError(path, f"LMDB: {error}") from error


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
