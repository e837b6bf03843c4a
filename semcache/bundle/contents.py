"""What a version holds under its numbers, in a form that tells equal things of two versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.records import number_key, unpack_value
from semcache.store.codec import ValueCodec
from semcache.store.lmdb_values import TableReader

Ints = npt.NDArray[np.int64]
_Number = TypeVar("_Number", np.int32, np.int64)


@dataclass(frozen=True, slots=True)
class Contents:
    """The live records of a version.

    Attributes:
        rows, entries, answers: (n,) live numbers, rising.
        owners: (n,) entry of each live row, or the one that a guard protects.
        n_rows, n_entries, n_answers: how many numbers there are, with the dead ones.
    """

    tables: TableReader
    codec: ValueCodec
    rows: Ints
    entries: Ints
    answers: Ints
    owners: Ints
    n_rows: int
    n_entries: int
    n_answers: int

    def variant_records(self) -> Iterator[bytes]:
        """Yield the record of each live row: its kind and its text."""
        return (self.tables.need(layout.VARIANTS_TABLE, number_key(row)) for row in self.rows.tolist())

    def entry_records(self) -> Iterator[bytes]:
        """Yield the record of each live entry: its id and its metadata."""
        return (self.tables.need(layout.ENTRIES_TABLE, number_key(entry)) for entry in self.entries.tolist())

    def answer_records(self) -> Iterator[bytes]:
        """Yield each live answer: its type, a zero byte, its bytes as a caller gets them."""
        for answer in self.answers.tolist():
            payload = memoryview(self.tables.need(layout.VALUES_TABLE, number_key(answer)))
            content, is_compressed, value_type = unpack_value(payload)
            raw = self.codec.decompress(content) if is_compressed else bytes(content)
            yield value_type.encode() + b"\0" + raw


def owners_of(rows: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Return the entry behind each value of rows.npy, whether variant or guard; none of them is dead."""
    return np.where(rows < 0, ~rows, rows)


def contents_of(
    tables: TableReader,
    codec: ValueCodec,
    *,
    rows: npt.NDArray[np.int32],
    entry_answers: npt.NDArray[np.int32],
    n_answers: int,
) -> Contents:
    """Return the contents behind the arrays of a version.

    Args:
        tables: of values.mdb.
        codec: of its values.
        rows: as in rows.npy.
        entry_answers: of each entry, as in entries.npy.
        n_answers: how many numbers there are, with the dead ones.
    """
    live = np.flatnonzero(rows != layout.DEAD_ROW)
    entries = np.flatnonzero(entry_answers != layout.DEAD_ENTRY)
    return Contents(
        tables,
        codec,
        rows=live,
        entries=entries,
        answers=np.unique(entry_answers[entries]).astype(np.int64),
        owners=owners_of(rows[live].astype(np.int64)),
        n_rows=len(rows),
        n_entries=len(entry_answers),
        n_answers=n_answers,
    )
