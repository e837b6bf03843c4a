"""Builds the files of a version from a release: the way back from `columns`.

What travels whole must be, to the byte, what its publisher had. values.mdb and index.faiss are written here, by the
libraries that are here; that they hold the same is checked, that they are the same bytes is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.arrays import load_array, save_array
from semcache.bundle.columns import unpack_items
from semcache.bundle.reader import check_file, read_manifest
from semcache.bundle.records import DEAD_ANSWER, number_key, pack_rows, unpack_variant
from semcache.bundle.writer import file_info, version_files
from semcache.core.chunk import ChunkRef
from semcache.core.features import N_WORDS, NO_WORD, ROW_FACTS, facts_of_answers
from semcache.core.manifest import Manifest
from semcache.core.release import DICTIONARY_FILE, FILES, FRAME_FILE, Release
from semcache.core.text import exact_key, normalise
from semcache.core.vectors import HalfRows
from semcache.errors import BundleCorruptError, BundleError, ReleaseError, StorageError
from semcache.store.faiss_follow import follow_index
from semcache.store.faiss_index import build_index, frame_of, write_index
from semcache.store.lmdb_values import TableWriter, records_sha256

ReadChunk = Callable[[ChunkRef], bytes]
"""A chunk's content, checked."""

Live = npt.NDArray[np.bool_]
"""Which numbers live."""
Record = tuple[bytes, bytes]
"""A key and a payload."""

_BUILT_HERE = (layout.VALUES_FILE, layout.INDEX_FILE)


def assemble(folder: Path, release: Release, read: ReadChunk, *, before: Path | None = None) -> Manifest:
    """Write the files of a release's version into an empty staging folder.

    Args:
        folder: the staging folder.
        release: what was published.
        read: gives its chunks; is called from two threads at a time.
        before: a version that is here. What its index has of this release is not encoded again, where that gives the
            publisher's index to the byte.

    Returns:
        The manifest of what was written: the publisher's, with the files that were built here.

    Raises:
        ReleaseError: what was released does not fit together.
        ChunkError: a chunk's content is not as stated.
        StorageError: the system refuses.
    """
    try:
        _Assembly(folder, release, read, before).run()
        return _manifest(folder, release)
    except OSError as error:
        raise StorageError.from_os_error(error.filename or folder, error) from error
    except (ValueError, IndexError, BundleCorruptError) as error:
        raise ReleaseError(release.name, f"release {release.number} does not fit together: {error}") from error


class _Assembly:
    """One run; its fields are what the steps hand to each other."""

    def __init__(self, folder: Path, release: Release, read: ReadChunk, before: Path | None) -> None:
        self._folder, self._release, self._read, self._before = folder, release, read, before
        self._counts, self._dim = release.manifest.counts, release.manifest.encoder.dim

    def run(self) -> None:
        for name in FILES:
            (self._folder / name).write_bytes(self._file(name))
        rows = self._load(layout.ROWS_FILE, layout.ROW_DTYPE, self._counts.all_rows)
        entries = self._load(layout.ENTRIES_FILE, layout.ENTRY_DTYPE, self._counts.all_entries)
        is_live = rows != layout.DEAD_ROW
        answers = entries["answer"]
        with ThreadPoolExecutor(1) as beside:  # FAISS, hashing and unpacking let Python go on
            index = beside.submit(self._write_index, is_live)
            self._write_tables(is_live, answers != layout.DEAD_ENTRY, _alive(answers, self._counts.all_answers))
            self._write_facts(rows, answers)
            words = np.frombuffer(self._column("words"), "<u2").reshape(-1, N_WORDS)
            save_array(self._folder / layout.WORDS_FILE, np.where(is_live[:, None], words, np.uint16(NO_WORD)))
            index.result()

    def _file(self, name: str) -> bytes:
        return b"".join(self._read(ref) for ref in self._release.files.get(name, ()))

    def _load(self, name: str, dtype: np.dtype[Any], n: int) -> npt.NDArray[Any]:
        return load_array(self._folder / name, dtype=dtype, shape=(n,))

    def _column(self, name: str) -> bytes:
        return b"".join(self._read(piece.ref) for piece in self._release.columns[name])

    def _items(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield numbers and items of a column."""
        items = (unpack_items(self._read(piece.ref), piece.n_items) for piece in self._release.columns[name])
        return enumerate(chain.from_iterable(items))

    def _write_tables(self, is_live_row: Live, is_live_entry: Live, is_live_answer: Live) -> None:
        rows_of: dict[bytes, list[int]] = {}
        tables = TableWriter(self._folder / f"{layout.VALUES_FILE}.scratch", layout.TABLES)
        try:
            if dictionary := self._file(DICTIONARY_FILE):
                tables.put(layout.META_TABLE, layout.DICTIONARY_KEY, dictionary)
            tables.put_all(layout.VARIANTS_TABLE, self._variants(is_live_row.tolist(), rows_of))
            tables.put_all(layout.ENTRIES_TABLE, self._entries(is_live_entry.tolist()))
            tables.put_all(layout.VALUES_TABLE, self._answers(is_live_answer.tolist()))
            tables.put_all(layout.KEYS_TABLE, ((key, pack_rows(rows_of[key])) for key in sorted(rows_of)))
            tables.finish(self._folder / layout.VALUES_FILE)
        finally:
            tables.close()

    def _variants(self, is_live: list[bool], rows_of: dict[bytes, list[int]]) -> Iterator[Record]:
        """Yield the records of live rows; note which rows have which exact key."""
        for row, record in self._items("variants"):
            if is_live[row]:
                rows_of.setdefault(exact_key(normalise(unpack_variant(record)[1])), []).append(row)
                yield number_key(row), record

    def _entries(self, is_live: list[bool]) -> Iterator[Record]:
        return ((number_key(entry), record) for entry, record in self._items("entries") if is_live[entry])

    def _answers(self, is_live: list[bool]) -> Iterator[Record]:
        for answer, record in self._items("answers"):
            yield number_key(answer), record if is_live[answer] else DEAD_ANSWER

    def _write_facts(self, rows: npt.NDArray[Any], entry_answers: npt.NDArray[np.int32]) -> None:
        row_facts = self._load(layout.ROW_FACTS_FILE, ROW_FACTS, self._counts.all_rows)
        answers = np.where(rows < 0, -1, entry_answers[np.maximum(rows, 0)])
        facts = facts_of_answers(row_facts, answers, n_answers=self._counts.all_answers)
        save_array(self._folder / layout.ANSWER_FACTS_FILE, facts)

    def _write_index(self, is_live: Live) -> None:
        rows: HalfRows = np.empty((self._counts.all_rows, self._dim), np.float16)
        first = 0
        for piece in self._release.columns["vectors"]:
            part = rows[first : first + piece.n_items]
            part[:] = np.frombuffer(self._read(piece.ref), "<f2").reshape(part.shape)
            first += piece.n_items
        rows[~is_live] = 0.0
        manifest, path, trained = self._release.manifest, self._folder / layout.INDEX_FILE, self._file(FRAME_FILE)
        if not self._follow_index(path, rows, trained):
            write_index(build_index(rows, kind=manifest.index.kind, seed=manifest.seed, trained=trained), path)

    def _follow_index(self, path: Path, rows: HalfRows, trained: bytes) -> bool:
        """Write the index with the help of the version before; say whether it is the publisher's."""
        if self._before is None or self._release.manifest.index.kind != "ivf":
            return False
        try:
            had = read_manifest(self._before).files[layout.INDEX_FILE]
            check_file(self._before / layout.INDEX_FILE, had, digest=True)
            index = follow_index(self._before / layout.INDEX_FILE, rows, trained=trained)
        except BundleError:
            return False  # gone, damaged, or of another format
        if index is None:
            return False
        write_index(index, path)
        return file_info(path) == self._release.manifest.files[layout.INDEX_FILE]


def _alive(entry_answers: npt.NDArray[np.int32], n_answers: int) -> Live:
    """Return which answers live: those of live entries."""
    live = np.zeros(n_answers, np.bool_)
    live[entry_answers[entry_answers >= 0]] = True
    return live


def _manifest(folder: Path, release: Release) -> Manifest:
    """Hold what was written against what was published."""
    wanted, found = release.manifest.files, version_files(folder)
    wrong = [name for name in found if name not in _BUILT_HERE and found[name] != wanted.get(name)]
    digest = f"{records_sha256(folder / layout.VALUES_FILE)}\n".encode("ascii")
    if digest != (folder / layout.RECORDS_FILE).read_bytes():
        wrong.append(layout.VALUES_FILE)
    if wrong:
        raise ReleaseError(release.name, f"release {release.number}: {', '.join(wrong)}: not what was published")
    frame, frame_sha256 = frame_of(folder / layout.INDEX_FILE)
    index = replace(release.manifest.index, frame_bytes=frame.frame_bytes, frame_sha256=frame_sha256)
    return replace(release.manifest, index=index, files=found)
