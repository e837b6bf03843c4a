"""Walks the pages of an LMDB file, so that every byte LMDB follows is known to be sound before LMDB sees it.

LMDB trusts its file: a page number, an offset or a length that went bad is a read outside the map or a failed
assertion, and both end the process. Here the trees are walked level by level, all pages of a level at once, and
each number is held against the file. Of a record only its checksum (its first 4 bytes) is read: all of them, in
order, tell one file from another without reading what they sum up.
Layout: mdb.c of LMDB 0.9, 64 bit, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

_HEAD_BYTES = 16  # of a page: number u64, pad u16, flags u16, lower u16, upper u16 (or n_pages u32)
_NODE_BYTES = 8  # size u32 (or page number u48 of a branch), flags u16, key size u16
_META = struct.Struct("<IIQQ" + 2 * "IHHQQQQQ" + "QQ")
_TABLE = struct.Struct("<IHHQQQQQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8
_BIG, _SUB_TABLE = 1, 2  # flags of a leaf's node: data on overflow pages; data is a table's record
_CRC_BYTES = 4
_NO_ROOT = 2**64 - 1
_MAX_DEPTH = 32
_N_METAS = 2
_PAGES_AT_ONCE = 512  # numbers of so many pages fit into the processor's cache


class PageError(ValueError):
    """The file is not a tree of pages that LMDB can follow; the message says where."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table's record: where its tree begins and how many keys it has."""

    name: str
    root: int
    n_keys: int


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of all pages of one level: position in the file, room to the page's end, size, flags, key size."""

    at: Numbers
    room: Numbers
    size: Numbers
    flags: Numbers
    key_size: Numbers


def check_pages(data: memoryview) -> str:
    """Walk every tree of a whole LMDB file.

    Returns:
        The sha256, as hex, of the checksums of all records: tables by name, records by key.

    Raises:
        PageError: a number in it leads where it must not.
    """
    return _Walk(data).run()


class _Walk:
    """One walk, with the pages seen so far: a page belongs to one place."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._page_bytes, self._main = _read_metas(data)
        self._n_pages = len(data) // self._page_bytes
        self._seen = np.zeros(self._n_pages, dtype=np.bool_)
        self._seen[:_N_METAS] = True
        self._n_seen = _N_METAS
        # The number that begins at each byte: one 8-byte read takes a node's four fields at once.
        self._u64 = np.ndarray((len(data) - 7,), "<u8", buffer=data, strides=(1,))
        self._u32 = np.ndarray((len(data) - 3,), "<u4", buffer=data, strides=(1,))

    def run(self) -> str:
        tables: list[_Table] = []
        digest = sha256()
        for nodes in self._leaves(self._main):
            _require("main table", "kind of a record", nodes.flags == _SUB_TABLE)
            _require("main table", "size of a table's record", nodes.size == _TABLE.size)
            tables += map(self._table, nodes.at.tolist(), nodes.key_size.tolist())
        for table in tables:
            for nodes in self._leaves(table):
                _require(table.name, "kind of a record", nodes.flags & ~_BIG == 0)
                _require(table.name, "size of a record", nodes.size >= _CRC_BYTES)
                digest.update(self._u32[self._places(table.name, nodes)].tobytes())
        return digest.hexdigest()

    def _table(self, at: int, key_size: int) -> _Table:
        key_at = at + _NODE_BYTES
        name = bytes(self._data[key_at : key_at + key_size]).decode("ascii", "replace")
        return _read_table(name, _TABLE.unpack_from(self._data, key_at + key_size))

    def _leaves(self, table: _Table) -> Iterator[_Nodes]:
        """Walk a table down from its root and yield the nodes of its leaves, a run of pages at a time."""
        level: Numbers = np.array([] if table.root == _NO_ROOT else [table.root], dtype=np.int64)
        n_keys, depth = 0, 0
        while len(level):
            children: list[Numbers] = []
            for start in range(0, len(level), _PAGES_AT_ONCE):
                kind, nodes = self._read_pages(table.name, level[start : start + _PAGES_AT_ONCE])
                if kind == _BRANCH:
                    children.append(nodes.size | (nodes.flags << 32))
                    continue
                stored = np.where(nodes.flags == _BIG, 8, nodes.size)
                _require(table.name, "size of a record", nodes.key_size + stored <= nodes.room - _NODE_BYTES)
                n_keys += len(stored)
                yield nodes
            level, depth = np.concatenate([level[:0], *children]), depth + 1
            _require(table.name, "depth of the tree", np.array([depth <= _MAX_DEPTH]))
        _expect(table.name, "number of records", n_keys, table.n_keys)

    def _read_pages(self, table: str, pages: Numbers) -> tuple[int, _Nodes]:
        """Return what kind of pages these are and all their nodes, the pages' heads and the nodes' keys checked."""
        self._take(table, pages)
        starts = pages * self._page_bytes
        _, flags, lower, upper = self._fields(starts + 8)
        kind = int(flags[0])
        _require(table, "kind of a page", (flags == kind) & (kind in (_BRANCH, _LEAF)))
        n_nodes = (lower - _HEAD_BYTES) >> 1
        least = 2 if kind == _BRANCH else 1  # LMDB ends the process on a branch with fewer
        is_sound = (n_nodes >= least) & (lower & 1 == 0) & (lower <= upper) & (upper <= self._page_bytes)
        _require(table, "bounds of a page", is_sound)
        return kind, self._read_nodes(table, starts, n_nodes, upper)

    def _read_nodes(self, table: str, starts: Numbers, n_nodes: Numbers, upper: Numbers) -> _Nodes:
        n_before = np.cumsum(n_nodes) - n_nodes
        slots = 2 * np.arange(n_nodes.sum()) + np.repeat(starts + _HEAD_BYTES - 2 * n_before, n_nodes)
        offsets = self._fields(slots - 6)[3]  # the last 2 of 8 bytes: the first 2 could lead past the file's end
        is_sound = (offsets >= np.repeat(upper, n_nodes)) & (offsets <= self._page_bytes - _NODE_BYTES)
        _require(table, "offset of a record", is_sound & (offsets & 1 == 0))
        at, room = np.repeat(starts, n_nodes) + offsets, self._page_bytes - offsets
        low, high, flags, key_size = self._fields(at)
        _require(table, "size of a key", key_size <= room - _NODE_BYTES)
        return _Nodes(at, room, low | (high << 16), flags, key_size)

    def _fields(self, at: Numbers) -> Numbers:
        """Return the four 2-byte numbers that stand at each of some bytes, as (4, n)."""
        return np.ascontiguousarray(self._u64[at].view("<u2").reshape(-1, 4).T, dtype=np.int64)

    def _take(self, table: str, pages: Numbers) -> None:
        """Claim pages for one place in one table, their numbers held against the file."""
        _require(table, "page number", (pages >= _N_METAS) & (pages < self._n_pages))
        _require(table, "number in a page's head", self._u64[pages * self._page_bytes] == pages.astype(np.uint64))
        self._seen[pages] = True
        self._n_seen += len(pages)
        _expect(table, "pages that are used once", int(np.count_nonzero(self._seen)), self._n_seen)

    def _places(self, table: str, nodes: _Nodes) -> Numbers:
        """Return where each record begins; the pages of those that are too large for a leaf are checked."""
        at = nodes.at + _NODE_BYTES + nodes.key_size
        big = nodes.flags == _BIG
        if not big.any():
            return at
        pages: Numbers = self._u64[at[big]].astype(np.int64)
        self._take(table, pages)
        _, flags, low, high = self._fields(pages * self._page_bytes + 8)
        _require(table, "kind of an overflow page", flags == _OVERFLOW)
        n_pages = low | (high << 16)
        fits = (pages + n_pages <= self._n_pages) & (_HEAD_BYTES + nodes.size[big] <= n_pages * self._page_bytes)
        _require(table, "length of an overflow run", fits)
        at[big] = pages * self._page_bytes + _HEAD_BYTES
        return at


def _read_metas(data: memoryview) -> tuple[int, _Table]:
    """Return the page size, and the table of tables, of the meta page that LMDB will choose."""
    if len(data) < _HEAD_BYTES + _META.size:
        msg = f"{len(data)} bytes are no LMDB file"
        raise PageError(msg)
    page_bytes = int(_META.unpack_from(data, _HEAD_BYTES)[4])
    if page_bytes not in (1 << i for i in range(9, 17)) or len(data) % page_bytes or len(data) < 2 * page_bytes:
        msg = f"page size {page_bytes} in a file of {len(data)} bytes"
        raise PageError(msg)
    metas = [_read_meta(data, number, page_bytes) for number in range(_N_METAS)]
    chosen = metas[int(metas[0][-1] < metas[1][-1])]
    _expect("meta page", "bytes of all pages", (chosen[-2] + 1) * page_bytes, len(data))
    return page_bytes, _read_table("main table", chosen[12:20])


def _read_meta(data: memoryview, number: int, page_bytes: int) -> tuple[int, ...]:
    at = number * page_bytes
    found, _, kind = struct.unpack_from("<QHH", data, at)
    _expect("meta page", "number and kind", (found, kind), (number, _META_PAGE))
    fields = _META.unpack_from(data, at + _HEAD_BYTES)
    _expect("meta page", "magic, version and page size", (*fields[:2], fields[4]), (_MAGIC, _VERSION, page_bytes))
    return fields


def _read_table(name: str, record: tuple[int, ...]) -> _Table:
    pad, flags, depth, _, _, _, n_keys, root = record
    _expect(name, "kind of keys", (pad, flags), (0, 0))
    if depth > _MAX_DEPTH or not (root == _NO_ROOT or root < 2**48):
        msg = f"{name}: depth {depth}, root {root}"
        raise PageError(msg)
    return _Table(name, root, n_keys)


def _expect(where: str, what: str, found: object, allowed: object) -> None:
    if found != allowed:
        msg = f"{where}: {what}: found {found}, allowed {allowed}"
        raise PageError(msg)


def _require(where: str, what: str, are_sound: npt.NDArray[Any]) -> None:
    if not are_sound.all():
        msg = f"{where}: {what}: wrong in {int((~are_sound).sum())} of {are_sound.size} places"
        raise PageError(msg)
