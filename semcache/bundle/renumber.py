"""Moves a staged version from the order of its corpora to the numbers that it must have (`numbering`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.arrays import save_array
from semcache.bundle.contents import Contents, owners_of
from semcache.bundle.decision import DecisionArrays
from semcache.bundle.numbering import Ints, Numbering
from semcache.bundle.records import DEAD_ANSWER, number_key, pack_rows, unpack_rows
from semcache.core.features import ANSWER_FACTS, NO_WORD, ROW_FACTS
from semcache.store.lmdb_values import TableWriter, records_sha256

_NEW_VALUES = f"{layout.VALUES_FILE}.renumbered"


def renumber_files(folder: Path, staged: Contents, numbering: Numbering) -> None:
    """Write values.mdb, records.sha256, rows.npy and entries.npy of a staging folder anew.

    Raises:
        BundleCorruptError: a record that was just written is damaged.
        StorageError: the system refuses.
    """
    new_path = folder / _NEW_VALUES
    tables = TableWriter(folder / f"{_NEW_VALUES}.scratch", layout.TABLES)
    try:
        _write_tables(tables, staged, numbering)
        tables.finish(new_path)
    finally:
        tables.close()
    (folder / layout.RECORDS_FILE).write_bytes(f"{records_sha256(new_path)}\n".encode("ascii"))
    old_rows = np.load(folder / layout.ROWS_FILE, allow_pickle=False)
    old_entries = np.load(folder / layout.ENTRIES_FILE, allow_pickle=False)
    save_array(folder / layout.ROWS_FILE, _rows(old_rows, numbering))
    save_array(folder / layout.ENTRIES_FILE, _entries(old_entries, numbering))
    new_path.replace(folder / layout.VALUES_FILE)


def _write_tables(tables: TableWriter, staged: Contents, numbering: Numbering) -> None:
    dictionary = staged.tables.get(layout.META_TABLE, layout.DICTIONARY_KEY)
    if dictionary is not None:
        tables.put(layout.META_TABLE, layout.DICTIONARY_KEY, dictionary)
    for key, payload in staged.tables.items(layout.KEYS_TABLE):
        rows = sorted(numbering.rows[list(unpack_rows(payload))].tolist())
        tables.put(layout.KEYS_TABLE, key, pack_rows(rows))
    of_answer = _inverse(numbering.answers, numbering.n_answers)
    for number, place in enumerate(of_answer.tolist()):
        record = DEAD_ANSWER if place < 0 else staged.tables.need(layout.VALUES_TABLE, number_key(place))
        tables.put(layout.VALUES_TABLE, number_key(number), record)
    for table, numbers in ((layout.ENTRIES_TABLE, numbering.entries), (layout.VARIANTS_TABLE, numbering.rows)):
        for place in np.argsort(numbers).tolist():
            record = staged.tables.need(table, number_key(place))
            tables.put(table, number_key(int(numbers[place])), record)


def _inverse(numbers: Ints, n: int) -> Ints:
    """Return the place of each number; -1 for a dead one."""
    places = np.full(n, -1, np.int64)
    places[numbers] = np.arange(len(numbers))
    return places


def _rows(rows: npt.NDArray[np.int32], numbering: Numbering) -> npt.NDArray[np.int32]:
    owners = numbering.entries[owners_of(rows)]
    moved = np.full(numbering.n_rows, layout.DEAD_ROW, layout.ROW_DTYPE)
    moved[numbering.rows] = np.where(rows < 0, ~owners, owners)
    return moved


def _entries(entries: npt.NDArray[Any], numbering: Numbering) -> npt.NDArray[Any]:
    moved = np.zeros(numbering.n_entries, layout.ENTRY_DTYPE)
    moved["namespace"] = moved["answer"] = layout.DEAD_ENTRY
    moved[numbering.entries] = entries
    moved["answer"][numbering.entries] = numbering.answers[entries["answer"]]
    return moved


def renumber_arrays(arrays: DecisionArrays, numbering: Numbering) -> DecisionArrays:
    """Return the arrays of a decision under the numbers; dead ones have facts that nothing reads."""
    row_facts = np.zeros(numbering.n_rows, ROW_FACTS)
    row_facts[numbering.rows] = arrays.row_facts
    answer_facts = np.zeros(numbering.n_answers, ANSWER_FACTS)
    answer_facts["n_rows"] = 1
    answer_facts[numbering.answers] = arrays.answer_facts
    words = np.full((numbering.n_rows, arrays.words.shape[1]), NO_WORD, arrays.words.dtype)
    words[numbering.rows] = arrays.words
    return DecisionArrays(arrays.adapter, row_facts, answer_facts, words, arrays.rarity, arrays.trees, arrays.learned)
