"""Walks the pages of an LMDB file, so that every byte LMDB follows is known to be sound before LMDB sees it.

LMDB trusts its file: a page number, an offset or a length that went bad is a read outside the map or a failed
assertion, and both end the process. Here the trees are walked level by level, all pages of a level at once, and
each number is held against the file. Of a record only its checksum (its first 4 bytes) is read: all of them, in
order, tell one file from another without reading what they sum up. The places of one table's records can be kept, so
that they are found again without LMDB. Numbers are gathered from the file by words of 2
bytes, aligned, and compared as they are: 100,000 rows (97 MB, 400,000 records) take 23 ms of processor time, of which
5 are page faults; whole nodes gathered at any address and widened to 64 bits took 33.
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
_HEAD_WORDS = _HEAD_BYTES // 2
_PAGE_NUMBER_BYTES = 8  # what a leaf holds of a record that is too large for it
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
_PAGES_AT_ONCE = 1024  # numbers of so many pages fit into the processor's cache


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
    """The nodes of all pages of one level: place in the file, bytes to the page's end behind the node's own 8, fields.

    Places count in words of 2 bytes, on which nodes begin. The others are no wider than they are on the disk.
    """

    at: Numbers
    room: npt.NDArray[np.uint16]
    size: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint16]
    key_size: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What a walk found out about a sound file.

    Attributes:
        records_sha256: the sha256, as hex, of the checksums of all records: tables by name, records by key.
        starts, stops: (n,) int64, where in the file each record of one table begins and ends, by key.
    """

    records_sha256: str
    starts: Numbers
    stops: Numbers


def check_pages(data: memoryview, *, places_of: str = "") -> CheckedFile:
    """Walk every tree of a whole LMDB file.

    Args:
        data: the file.
        places_of: the table whose places are kept.

    Raises:
        PageError: a number in it leads where it must not.
    """
    return _Walk(data).run(places_of)


class _Walk:
    """One walk, with the pages seen so far: a page belongs to one place."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._page_bytes, self._main = _read_metas(data)
        self._n_pages = len(data) // self._page_bytes
        self._seen = np.zeros(self._n_pages, dtype=np.bool_)
        self._seen[:_N_METAS] = True
        self._n_seen = _N_METAS
        self._words = np.frombuffer(data, "<u2")
        self._pages = self._words.reshape(self._n_pages, -1)
        self._page_words = self._pages.shape[1]
        self._last_offset = self._page_bytes - _NODE_BYTES  # of a node in a page

    def run(self, places_of: str) -> CheckedFile:
        tables: list[_Table] = []
        digest, none = sha256(), np.empty(0, dtype=np.int64)
        starts, stops = [none], [none]
        for nodes in self._leaves(self._main):
            _require("main table", "kind of a record", nodes.flags == _SUB_TABLE)
            _require("main table", "size of a table's record", nodes.size == _TABLE.size)
            tables += map(self._table, (2 * nodes.at).tolist(), nodes.key_size.tolist())
        for table in tables:
            for nodes in self._leaves(table):
                _require(table.name, "kind of a record", nodes.flags <= _BIG)
                _require(table.name, "size of a record", nodes.size >= _CRC_BYTES)
                places = self._places(table.name, nodes)
                digest.update(self._numbers(places, "<u4").tobytes())
                if table.name == places_of:
                    starts.append(places)
                    stops.append(places + nodes.size)
        return CheckedFile(digest.hexdigest(), np.concatenate(starts), np.concatenate(stops))

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
                    children.append(nodes.size | (nodes.flags.astype(np.int64) << 32))
                    continue
                stored = nodes.size
                if nodes.flags.any():
                    stored = np.where(nodes.flags == _BIG, _PAGE_NUMBER_BYTES, stored)
                _require(table.name, "size of a record", stored <= nodes.room - nodes.key_size)
                n_keys += len(stored)
                yield nodes
            level, depth = np.concatenate([level[:0], *children]), depth + 1
            _require(table.name, "depth of the tree", np.array([depth <= _MAX_DEPTH]))
        _expect(table.name, "number of records", n_keys, table.n_keys)

    def _read_pages(self, table: str, pages: Numbers) -> tuple[int, _Nodes]:
        """Return what kind of pages these are and all their nodes, the pages' heads and the nodes' keys checked."""
        _, flags, lower, upper = self._take(table, pages)
        kind = int(flags[0])
        _require(table, "kind of a page", (flags == kind) & (kind in (_BRANCH, _LEAF)))
        n_nodes = (lower.astype(np.int64) - _HEAD_BYTES) >> 1
        least = 2 if kind == _BRANCH else 1  # LMDB ends the process on a branch with fewer
        is_sound = (n_nodes >= least) & (lower & 1 == 0) & (lower <= upper) & (upper <= self._last_offset)
        _require(table, "bounds of a page", is_sound)
        return kind, self._read_nodes(table, pages, n_nodes, upper)

    def _read_nodes(self, table: str, pages: Numbers, n_nodes: Numbers, upper: npt.NDArray[np.uint16]) -> _Nodes:
        most = int(n_nodes.max())
        is_slot = np.arange(most, dtype=np.uint16) < n_nodes.astype(np.uint16)[:, None]
        offsets = self._rows(pages, most)[is_slot]
        lowest = np.repeat(upper, n_nodes)
        is_sound = (offsets >= lowest) & (offsets <= self._last_offset) & (offsets & 1 == 0)
        _require(table, "offset of a record", is_sound)
        at, room = np.repeat(pages * self._page_words, n_nodes) + (offsets >> 1), self._last_offset - offsets
        low, high, flags, key_size = (self._words[i:].take(at) for i in range(4))
        _require(table, "size of a key", key_size <= room)
        size = high.astype(np.uint32)
        size <<= 16
        size |= low
        return _Nodes(at, room, size, flags, key_size)

    def _rows(self, pages: Numbers, most: int) -> npt.NDArray[np.uint16]:
        """Return the first slots of each page."""
        first = int(pages[0])
        columns = slice(_HEAD_WORDS, _HEAD_WORDS + most)
        if np.array_equal(pages, np.arange(first, first + len(pages))):  # as compaction writes leaves: no copy
            return self._pages[first : first + len(pages), columns]
        return self._pages[pages, columns]

    def _take(self, table: str, pages: Numbers) -> npt.NDArray[np.uint16]:
        """Claim pages for one place in one table, and return the last four words of their heads, as (4, n)."""
        _require(table, "page number", (pages >= _N_METAS) & (pages < self._n_pages))
        heads = self._pages[pages, :_HEAD_WORDS]
        _require(table, "number in a page's head", heads[:, :4].copy().view("<u8")[:, 0] == pages.astype(np.uint64))
        self._seen[pages] = True
        self._n_seen += len(pages)
        _expect(table, "pages that are used once", int(np.count_nonzero(self._seen)), self._n_seen)
        return heads[:, 4:].T

    def _numbers(self, at: Numbers, dtype: str) -> npt.NDArray[Any]:
        """Return the numbers that begin at these bytes."""
        size = np.dtype(dtype).itemsize
        if np.bitwise_or.reduce(at) & 1:  # after keys of an odd length
            return np.ndarray((len(self._data) - size + 1,), dtype, buffer=self._data, strides=(1,))[at]
        words = np.empty((len(at), size // 2), "<u2")
        first = at >> 1
        for i in range(size // 2):  # a quarter of the time that reading them whole takes, at places not aligned
            words[:, i] = self._words[i:].take(first)
        return words.view(dtype)[:, 0]

    def _places(self, table: str, nodes: _Nodes) -> Numbers:
        """Return where each record begins; the pages of those that are too large for a leaf are checked."""
        at = nodes.at + (_NODE_BYTES // 2)
        at <<= 1
        at += nodes.key_size
        big = nodes.flags == _BIG
        if big.any():
            at[big] = self._overflow(table, at[big], nodes.size[big])
        return at

    def _overflow(self, table: str, at: Numbers, sizes: npt.NDArray[np.uint32]) -> Numbers:
        """Return where the large records begin whose page numbers stand at these bytes."""
        pages: Numbers = self._numbers(at, "<u8").astype(np.int64)
        _, flags, low, high = self._take(table, pages)
        _require(table, "kind of an overflow page", flags == _OVERFLOW)
        n_pages = low | high.astype(np.int64) << 16
        fits = (pages + n_pages <= self._n_pages) & (sizes <= n_pages * self._page_bytes - _HEAD_BYTES)
        _require(table, "length of an overflow run", fits)
        return pages * self._page_bytes + _HEAD_BYTES


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
    if np.count_nonzero(are_sound) != are_sound.size:  # a third of what all() costs
        msg = f"{where}: {what}: wrong in {int((~are_sound).sum())} of {are_sound.size} places"
        raise PageError(msg)
