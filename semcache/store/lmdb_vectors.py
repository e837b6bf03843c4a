"""Vectors by digest, kept between builds in one LMDB file that many processes may read and write.

Unlike a bundle's files this one changes, and nothing is lost with it: what is damaged, missing or refused counts as
not there. A record is `crc32 (4 bytes, little-endian, of key + vector) | vector, float32`.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from zlib import crc32

import lmdb
import numpy as np

from semcache.core.vectors import FloatRows

_MAP_BYTES = 1 << 36  # address space; 45 million vectors of 384
_CRC = struct.Struct("<I")


class VectorStore:
    """The file of one encoder. Safe to share between threads; not across fork."""

    def __init__(self, path: Path, *, dim: int) -> None:
        """Open the file; it is made where it is missing.

        Raises:
            OSError: it cannot be opened, or this process has it open already.
        """
        self._dim, self._lock = dim, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._env = lmdb.open(str(path), subdir=False, map_size=_MAP_BYTES, max_readers=512)
        except lmdb.Error as error:
            raise OSError(f"{path}: LMDB: {error}") from error

    def get(self, keys: Sequence[bytes]) -> list[FloatRows | None]:
        """Return the (dim,) float32 vector of each key; None where there is none, or a damaged one."""
        try:
            with self._env.begin() as txn:
                records = [txn.get(key) for key in keys]
        except lmdb.Error:
            return [None] * len(keys)
        return [self._vector(key, record) for key, record in zip(keys, records, strict=True)]

    def _vector(self, key: bytes, record: bytes | None) -> FloatRows | None:
        if record is None or len(record) != _CRC.size + 4 * self._dim:
            return None
        if crc32(record[_CRC.size :], crc32(key)) != _CRC.unpack_from(record)[0]:
            return None
        return np.frombuffer(record, "<f4", offset=_CRC.size)

    def put(self, pairs: Iterable[tuple[bytes, FloatRows]]) -> None:
        """Keep (dim,) float32 vectors under their keys; where the system refuses, they are not kept."""
        records = [(key, vector.astype("<f4").tobytes()) for key, vector in pairs]
        try:
            with self._lock, self._env.begin(write=True) as txn:
                for key, data in records:
                    txn.put(key, _CRC.pack(crc32(data, crc32(key))) + data)
        except lmdb.Error:
            return

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._env.close()
