"""Reads back the rows of a version that is being built: the fitting needs their texts once more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.contents import Contents, contents_of, owners_of
from semcache.bundle.records import number_key, unpack_rows, unpack_variant
from semcache.store.codec import ValueCodec
from semcache.store.lmdb_values import TableReader


class StagedRows:
    """The rows of a staging folder after `VersionWriter.finish`. Use as a context manager.

    Attributes:
        entries: (n,) int64 entry of each row; the complement of it for a guard.
        answers: (n,) int64 answer of each row; as `entries` for a guard.
        namespaces: (n,) int64 number of the namespace of each row.
        texts: of each row, read when asked for.
    """

    def __init__(self, folder: Path) -> None:
        """Open the files.

        Raises:
            StorageError: the system refuses.
        """
        self._rows: npt.NDArray[np.int32] = np.load(folder / layout.ROWS_FILE, allow_pickle=False)
        facts = np.load(folder / layout.ENTRIES_FILE, allow_pickle=False)
        self._entry_answers: npt.NDArray[np.int32] = facts["answer"]
        self.entries: npt.NDArray[np.int64] = self._rows.astype(np.int64)
        owners = owners_of(self.entries)
        answers = self._entry_answers.astype(np.int64)[owners]
        self.answers: npt.NDArray[np.int64] = np.where(self.entries < 0, self.entries, answers)
        self.namespaces: npt.NDArray[np.int64] = facts["namespace"].astype(np.int64)[owners]
        self._tables = TableReader(folder / layout.VALUES_FILE, layout.TABLES)
        self.texts: Sequence[str] = _Texts(self._tables, len(self.entries))

    def contents(self) -> Contents:
        """Return all that is staged."""
        codec = ValueCodec(self._tables.get(layout.META_TABLE, layout.DICTIONARY_KEY) or b"")
        n_answers = int(self._entry_answers.max(initial=-1)) + 1
        return contents_of(self._tables, codec, rows=self._rows, entry_answers=self._entry_answers, n_answers=n_answers)

    def firsts(self) -> npt.NDArray[np.int64]:
        """Return the (n,) first row with the exact key of each one: a text may stand in several namespaces."""
        firsts = np.arange(len(self.entries), dtype=np.int64)
        for _, record in self._tables.items(layout.KEYS_TABLE):
            first, *others = unpack_rows(record)
            firsts[others] = first
        return firsts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._tables


class _Texts(Sequence[str]):
    def __init__(self, tables: TableReader, n: int) -> None:
        self._tables, self._n = tables, n

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(self._n))]
        if not 0 <= row < self._n:
            raise IndexError(row)
        record = self._tables.need(layout.VARIANTS_TABLE, number_key(row))
        return unpack_variant(record)[1]
