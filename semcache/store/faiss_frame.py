"""Reads the frame of a FAISS file: everything FAISS would parse, every length checked, before FAISS sees it.

FAISS parses unsafe bytes (a wrong length is memory corruption), so a file is only handed on when each field is
what this project writes and the lengths add up to the file's size to the byte. The rest of the file, the codes,
is used in place and not parsed. Layout: faiss/impl/index_write.cpp, versions 1.14.3 to 1.15.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

_SQ_FP16 = 4
_INNER_PRODUCT = 0


class FrameError(ValueError):
    """The bytes are not an index of a kind this project writes; the message says where."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame of an index file says.

    Attributes:
        kind: flat, ivf or hnsw, all with float16 codes and inner product.
        dim: length of a vector.
        n_rows: how many.
        frame_bytes: where the codes begin.
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
    elif magic == b"IwSq":
        frame = _ivf(cursor)
    elif magic == b"IHNs":
        frame = _hnsw(cursor)
    else:
        msg = f"index type {magic!r}, allowed IxSQ, IwSq or IHNs"
        raise FrameError(msg)
    return frame


class _Cursor:
    """Takes fields off the front, never past the end."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
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
    """The codes of a flat index; they end the file. Returns where they begin."""
    cursor.expect("length of codes", cursor.take("Q")[0], n_rows * 2 * dim)
    frame_bytes = cursor.at
    cursor.skip(n_rows, 2 * dim)
    cursor.expect("end of file", cursor.at, len(cursor.data))
    return frame_bytes


def _flat(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    _quantiser(cursor, dim)
    return Frame("flat", dim, n_rows, _codes(cursor, dim, n_rows), 0)


def _ivf(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    n_lists, _ = cursor.take("QQ")
    cursor.expect("coarse quantiser", cursor.magic(), b"IxFI")
    cursor.expect("coarse quantiser's size", _header(cursor), (dim, n_lists))
    cursor.vector("centroids", n_lists * dim, 4)
    cursor.expect("direct map", cursor.take("B"), (0,))
    cursor.vector("direct map", 0, 8)
    _quantiser(cursor, dim)
    cursor.expect("code size and residual", cursor.take("QB"), (2 * dim, 0))
    cursor.expect("inverted lists", cursor.magic(), b"ilar")
    cursor.expect("inverted lists' sizes", cursor.take("QQ"), (n_lists, 2 * dim))
    n_stored = _list_sizes(cursor, n_lists)
    cursor.expect("rows in all lists", n_stored, n_rows)
    frame_bytes = cursor.at
    cursor.skip(n_rows, 2 * dim + 8)
    cursor.expect("end of file", cursor.at, len(cursor.data))
    return Frame("ivf", dim, n_rows, frame_bytes, n_lists)


def _list_sizes(cursor: _Cursor, n_lists: int) -> int:
    layout = cursor.magic()
    (n_numbers,) = cursor.take("Q")
    start = cursor.at
    cursor.skip(n_numbers, 8)
    numbers = cursor.data[start : cursor.at].cast("Q")
    if layout == b"full":
        cursor.expect("length of list sizes", n_numbers, n_lists)
        return sum(numbers)
    cursor.expect("layout of list sizes", layout, b"sprs")
    cursor.expect("odd length of list sizes", n_numbers % 2, 0)
    if any(number >= n_lists for number in numbers[::2]) or len(set(numbers[::2])) != n_numbers // 2:
        msg = f"byte {start}: a list number is twice or above {n_lists}"
        raise FrameError(msg)
    return sum(numbers[1::2])


def _hnsw(cursor: _Cursor) -> Frame:
    dim, n_rows = _header(cursor)
    for item_bytes in (8, 4):  # level probabilities, neighbours a level
        cursor.skip(cursor.take("Q")[0], item_bytes)
    cursor.vector("levels", n_rows, 4)
    cursor.vector("offsets", n_rows + 1, 8)
    cursor.skip(cursor.take("Q")[0], 4)  # links; FAISS checks each of them at open
    cursor.take("iiiii")
    cursor.expect("storage", cursor.magic(), b"IxSQ")
    cursor.expect("storage's size", _header(cursor), (dim, n_rows))
    _quantiser(cursor, dim)
    return Frame("hnsw", dim, n_rows, _codes(cursor, dim, n_rows), 0)
