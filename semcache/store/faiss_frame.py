"""Reads the frame of a FAISS file: everything FAISS would parse, every length checked, before FAISS sees it.

FAISS parses unsafe bytes (a wrong length is memory corruption), so a file is only handed on when each field is
what this project writes and the lengths add up to the file's size to the byte. FAISS also follows the labels of
inverted lists into the float16 rows without a look at them, so each row must be in one list, once. What is left,
the codes, is not parsed. Layout: faiss/impl/index_write.cpp and invlists/BlockInvertedLists.cpp, 1.14.3 to 1.15.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

_SQ_FP16 = 4
_INNER_PRODUCT = 0
_PART_BITS = 4
_BLOCK_ROWS = 32
_NO_CODE_SIZE = 2**64 - 1
_DEFAULT_FACTOR = 1.0


_MOST_EMPTY_LISTS = 1 << 16
"""Of an index that was trained and holds no row: what a release carries."""


class FrameError(ValueError):
    """The bytes are not an index of a kind this project writes; the message says where."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame of an index file says.

    Attributes:
        kind: flat, ivf or hnsw, all with float16 codes and inner product.
        dim: length of a vector.
        n_rows: how many.
        frame_bytes: where the codes begin; the inverted lists of ivf, which are codes and their labels.
        n_lists: of ivf; 0 otherwise.
    """

    kind: Literal["flat", "ivf", "hnsw"]
    dim: int
    n_rows: int
    frame_bytes: int
    n_lists: int


def read_frame(data: memoryview) -> Frame:
    """Read and check the frame of a whole index file.

    Raises:
        FrameError: it is not exactly what this project writes.
    """
    cursor = _Cursor(data)
    magic = cursor.magic()
    if magic == b"IxSQ":
        frame = _flat(cursor)
    elif magic == b"IxRF":
        frame = _ivf(cursor)
    elif magic == b"IHNs":
        frame = _hnsw(cursor)
    else:
        msg = f"index type {magic!r}, allowed IxSQ, IxRF or IHNs"
        raise FrameError(msg)
    cursor.expect("end of file", cursor.at, len(data))
    return frame


class _Cursor:
    """Takes fields off the front, never past the end."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + layout)
        if self.at + size > len(self.data):
            msg = f"ends at byte {len(self.data)}, in the middle of a field"
            raise FrameError(msg)
        fields = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += size
        return fields

    def magic(self) -> bytes:
        return struct.pack("<4B", *self.take("4B"))

    def skip(self, n_items: int, item_bytes: int) -> None:
        if n_items * item_bytes > len(self.data) - self.at:
            msg = f"byte {self.at}: {n_items} items of {item_bytes} bytes do not fit into the file"
            raise FrameError(msg)
        self.at += n_items * item_bytes

    def expect(self, what: str, found: object, allowed: object) -> None:
        if found != allowed:
            msg = f"byte {self.at}: {what}: found {found!r}, allowed {allowed!r}"
            raise FrameError(msg)

    def vector(self, what: str, n_items: int, item_bytes: int) -> None:
        self.expect(f"length of {what}", self.take("Q")[0], n_items)
        self.skip(n_items, item_bytes)


def _header(cursor: _Cursor) -> tuple[int, int]:
    dim, n_rows, _, _, trained, metric = cursor.take("iqqqBi")
    cursor.expect("trained", trained, 1)
    cursor.expect("metric", metric, _INNER_PRODUCT)
    if not (0 < dim <= 65_536 and 0 <= n_rows < 2**31):
        msg = f"dim {dim} and {n_rows} rows, allowed 1 to 65536 and 0 to 2**31"
        raise FrameError(msg)
    return dim, n_rows


def _quantiser(cursor: _Cursor, dim: int) -> None:
    kind, _, _ = cursor.take("iif")
    cursor.expect("quantiser", kind, _SQ_FP16)
    cursor.expect("quantiser sizes", cursor.take("QQ"), (dim, 2 * dim))
    cursor.vector("trained parameters", 0, 4)


def _codes(cursor: _Cursor, dim: int, n_rows: int) -> int:
    """The codes of a flat index. Returns where they begin."""
    cursor.expect("length of codes", cursor.take("Q")[0], n_rows * 2 * dim)
    frame_bytes = cursor.at
    cursor.skip(n_rows, 2 * dim)
    return frame_bytes


def _flat_part(cursor: _Cursor, what: str, dim: int, n_rows: int) -> int:
    """A flat index within another one. Returns where its codes begin."""
    cursor.expect(what, cursor.magic(), b"IxSQ")
    cursor.expect(f"{what}'s size", _header(cursor), (dim, n_rows))
    _quantiser(cursor, dim)
    return _codes(cursor, dim, n_rows)


def _flat(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    _quantiser(cursor, dim)
    return Frame("flat", dim, n_rows, _codes(cursor, dim, n_rows), 0)


def _ivf(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    cursor.expect("first pass", cursor.magic(), b"IwPf")
    cursor.expect("first pass's size", _header(cursor), (dim, n_rows))
    n_lists, _ = cursor.take("QQ")
    most_lists = n_rows or _MOST_EMPTY_LISTS
    if not 1 <= n_lists <= most_lists:
        msg = f"byte {cursor.at}: {n_lists} lists, allowed 1 to {most_lists}"
        raise FrameError(msg)
    _flat_part(cursor, "coarse quantiser", dim, n_lists)
    cursor.expect("direct map", cursor.take("B"), (0,))
    cursor.vector("direct map", 0, 8)
    n_parts = _product_quantiser(cursor, dim)
    frame_bytes = _lists(cursor, n_lists, n_rows, block_bytes=_even(n_parts) // 2 * _BLOCK_ROWS)
    _flat_part(cursor, "refinement", dim, n_rows)
    cursor.expect("refinement's factor", cursor.take("f"), (_DEFAULT_FACTOR,))
    return Frame("ivf", dim, n_rows, frame_bytes, n_lists)


def _product_quantiser(cursor: _Cursor, dim: int) -> int:
    """The fields of the fast scan and its quantiser. Returns how many parts a code has."""
    residual, code_bytes, block_rows, n_padded, way, query_block = cursor.take("BQiQiQ")
    cursor.expect("way of scanning", (residual, block_rows, way, query_block), (0, _BLOCK_ROWS, 0, 0))
    quantised_dim, n_parts, part_bits = cursor.take("QQQ")
    cursor.expect("product quantiser", (quantised_dim, part_bits), (dim, _PART_BITS))
    if not 1 <= n_parts <= dim or dim % n_parts:
        msg = f"byte {cursor.at}: {n_parts} parts, allowed the divisors of {dim}"
        raise FrameError(msg)
    cursor.expect("size of a code and its parts", (code_bytes, n_padded), (_even(n_parts) // 2, _even(n_parts)))
    cursor.vector("product quantiser", dim * 2**_PART_BITS, 4)
    return int(n_parts)


def _even(n: int) -> int:
    return n + n % 2


def _lists(cursor: _Cursor, n_lists: int, n_rows: int, *, block_bytes: int) -> int:
    """Inverted lists: each its labels, then its codes in whole blocks. Returns where they begin."""
    cursor.expect("inverted lists", cursor.magic(), b"ilbl")
    cursor.expect("inverted lists' sizes", cursor.take("QQQQ"), (n_lists, _NO_CODE_SIZE, _BLOCK_ROWS, block_bytes))
    start, labels = cursor.at, []
    for _ in range(n_lists):
        (n_labels,) = cursor.take("Q")
        cursor.skip(n_labels, 8)
        labels.append(cursor.data[cursor.at - 8 * n_labels : cursor.at])
        cursor.vector("codes of a list", -(-n_labels // _BLOCK_ROWS) * block_bytes, 1)
    _check_labels(cursor, np.frombuffer(b"".join(labels), "<u8"), n_rows)
    return start


def _check_labels(cursor: _Cursor, labels: npt.NDArray[np.uint64], n_rows: int) -> None:
    cursor.expect("rows in all lists", len(labels), n_rows)
    is_there = np.zeros(n_rows, dtype=bool)
    is_there[labels[labels < n_rows]] = True
    if not is_there.all():
        msg = f"byte {cursor.at}: row {int(is_there.argmin())} is in no list"
        raise FrameError(msg)


def _hnsw(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    for item_bytes in (8, 4):  # level probabilities, neighbours a level
        cursor.skip(cursor.take("Q")[0], item_bytes)
    cursor.vector("levels", n_rows, 4)
    cursor.vector("offsets", n_rows + 1, 8)
    cursor.skip(cursor.take("Q")[0], 4)  # links; FAISS checks each of them at open
    cursor.take("iiiii")
    return Frame("hnsw", dim, n_rows, _flat_part(cursor, "storage", dim, n_rows), 0)
