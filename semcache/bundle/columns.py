"""A version as columns: what a publisher cuts into pieces. `assemble` goes the other way.

Items of a column are numbered like the rows, entries or answers they belong to. Of variants, entries and answers an
item is the record in values.mdb; a piece of them is the sizes of its items (uint32 each), then the items. Of vectors
an item is the float16 row of the index, of words the row of words.npy. A dead item is empty, or zeros.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.contents import Contents
from semcache.bundle.reader import VersionReader
from semcache.bundle.records import number_key
from semcache.core.release import n_items

_TABLES = {"variants": layout.VARIANTS_TABLE, "entries": layout.ENTRIES_TABLE, "answers": layout.VALUES_TABLE}
_SIZE_BYTES = 4


class VersionColumns:
    """The columns of an open version."""

    def __init__(self, reader: VersionReader) -> None:
        self._reader, self._contents = reader, reader.contents()
        self._live = _live(self._contents)

    def n_items(self, column: str) -> int:
        """Return how many items a column has, with the dead ones."""
        return n_items(self._reader.manifest.counts, column)

    def raw(self, column: str, first: int, last: int) -> bytes:
        """Return a piece: items from `first` up to, but not with, `last`."""
        if column == "vectors":
            return self._reader.index.float16_rows(first, last).tobytes()
        if column == "words":
            return np.ascontiguousarray(self._reader.decision.words[first:last]).tobytes()
        return pack_items([self._item(column, number) for number in range(first, last)])

    def agrees(self, column: str, first: int, last: int, raw: bytes) -> bool:
        """Say whether every live item of ours from `first` up to `last` is the one of a piece.

        Args:
            column: variants, entries or answers.
            first: number of its first item.
            last: one more than that of its last.
            raw: the piece.

        Raises:
            ValueError: it is no such piece.
        """
        live = self._live[column]
        return all(
            not live[number] or item == self._item(column, number)
            for number, item in enumerate(unpack_items(raw, last - first), first)
        )

    def _item(self, column: str, number: int) -> bytes:
        if not self._live[column][number]:
            return b""
        return self._contents.tables.need(_TABLES[column], number_key(number))


def _live(contents: Contents) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which numbers live."""
    live = {}
    for column, numbers, n in (
        ("variants", contents.rows, contents.n_rows),
        ("entries", contents.entries, contents.n_entries),
        ("answers", contents.answers, contents.n_answers),
    ):
        live[column] = np.zeros(n, np.bool_)
        live[column][numbers] = True
    return live


def pack_items(items: Sequence[bytes]) -> bytes:
    """Return a piece of items: their sizes, then their bytes."""
    return struct.pack(f"<{len(items)}I", *map(len, items)) + b"".join(items)


def unpack_items(raw: bytes, n: int) -> Iterator[bytes]:
    """Yield the items of a piece.

    Raises:
        ValueError: it is not a piece of that many items.
    """
    sizes = struct.unpack_from(f"<{n}I", raw) if n * _SIZE_BYTES <= len(raw) else ()
    if len(sizes) != n or n * _SIZE_BYTES + sum(sizes) != len(raw):
        msg = f"{len(raw)} bytes are no piece of {n} items"
        raise ValueError(msg)
    at = n * _SIZE_BYTES
    for size in sizes:
        yield raw[at : at + size]
        at += size
