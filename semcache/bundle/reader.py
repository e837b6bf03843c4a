"""Opens one version of a bundle: maps its files after checking them in a fixed order (FORMAT.md, "Reading")."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from semcache.bundle import layout
from semcache.bundle.arrays import load_array
from semcache.bundle.contents import Contents, contents_of, owners_of
from semcache.bundle.decision import DecisionArrays, load_decision
from semcache.bundle.lease import Lease
from semcache.bundle.locate import BundleLocation, read_small
from semcache.bundle.records import RecordError, number_key, unpack_entry, unpack_rows, unpack_value, unpack_variant
from semcache.bundle.writer import file_info
from semcache.config import OpenConfig
from semcache.core.manifest import FileInfo, Manifest, NewerFormatError, parse_manifest, version_id
from semcache.core.vectors import FloatRows
from semcache.errors import BundleCorruptError, BundleFormatError, BundleNotFoundError, StorageError
from semcache.store.codec import CodecError, ValueCodec
from semcache.store.faiss_index import MappedIndex, SearchFilter
from semcache.store.lmdb_values import TableReader
from semcache.store.mapping import read_ahead
from semcache.types import Neighbour, VariantKind

_ALWAYS_DIGESTED = (
    layout.ROWS_FILE,
    layout.ENTRIES_FILE,
    layout.PROBES_FILE,
    layout.RECORDS_FILE,
    layout.ADAPTER_FILE,
    layout.ROW_FACTS_FILE,
    layout.ANSWER_FACTS_FILE,
    layout.WORDS_FILE,
    layout.RARITY_FILE,
    layout.TREES_FILE,
    layout.LEARNED_FILE,
)
_MANIFEST_BYTES_LIMIT = 16 << 20
_DIGEST_BYTES_LIMIT = 256


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a version and hold it against the folder's name.

    Raises:
        BundleNotFoundError: there is no such version.
        BundleFormatError: it is of a newer format.
        BundleCorruptError: it is not the manifest that was written.
        StorageError: it cannot be read.
    """
    path = folder / layout.MANIFEST_FILE
    try:
        raw = read_small(path, limit_bytes=_MANIFEST_BYTES_LIMIT)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleNotFoundError(path, "missing: this version is not here; build the bundle again") from error
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    if version_id(raw) != folder.name:
        raise BundleCorruptError(
            path, "is not the manifest that was written (its sha256 differs from the folder's name)"
        )
    try:
        manifest = parse_manifest(raw)
    except NewerFormatError as error:
        raise BundleFormatError(path, str(error)) from error
    except ValueError as error:  # a FieldError, or a number of more digits than Python turns into one
        raise BundleCorruptError(path, str(error)) from error
    if set(manifest.files) != set(layout.VERSION_FILES):
        raise BundleCorruptError(path, f"files: found {sorted(manifest.files)}, allowed {sorted(layout.VERSION_FILES)}")
    return manifest


def check_file(path: Path, expected: FileInfo, *, digest: bool) -> None:
    """Hold a file's size, and its digest where asked, against the manifest.

    Raises:
        BundleCorruptError: they differ.
        StorageError: it cannot be read.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise BundleCorruptError(path, "is not a file")
        if status.st_size != expected.size_bytes:
            raise BundleCorruptError(path, f"has {status.st_size} bytes, the manifest says {expected.size_bytes}")
        if digest and file_info(path) != expected:
            raise BundleCorruptError(path, "is not the file that was written (sha256 differs from the manifest's)")
    except FileNotFoundError as error:
        raise BundleCorruptError(path, "missing, the manifest lists it") from error
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


class VersionReader:
    """One version of a bundle, mapped and leased. Safe to share between threads; not across fork.

    Attributes:
        id, folder, manifest: which version it is.
        root: holds the encoders.
        index: the vectors.
        rows: (n_rows,) int32, the entry of each row; ~entry for a guard, `DEAD_ROW` for a dead one.
        is_dead: (n_rows,) whether a row is.
        answers: (n_rows,) int32, the answer of each row; ~entry for a guard, which has none.
        dictionary: of compressed answers; empty where there is none.
        probes: (n, dim) float32, what the encoder must give for the manifest's probe texts.
        decision: what the decision rests on.
    """

    def __init__(self, location: BundleLocation, version: str, config: OpenConfig) -> None:
        """Open a version.

        Raises:
            BundleError: it is missing, damaged, or of a newer format.
            StorageError: the system refuses.
        """
        self.id, self.root, self.folder = version, location.root, location.version_dir(version)
        self._lease = Lease(self.folder)
        self.manifest = read_manifest(self.folder)
        for name, expected in self.manifest.files.items():
            digest = config.verify == "full" or name in _ALWAYS_DIGESTED
            check_file(self.folder / name, expected, digest=digest)
        self._load_arrays()
        self.index = MappedIndex(
            self.folder / layout.INDEX_FILE,
            frame_sha256=self.manifest.index.frame_sha256,
            effort=self.manifest.index.effort,
            prefault_pages=config.prefault,
        )
        found = (self.index.frame.kind, self.index.n_rows, self.index.dim)
        if found != (self.manifest.index.kind, self.manifest.counts.all_rows, self.manifest.encoder.dim):
            reason = f"is {found[0]} with {found[1]} rows of {found[2]}, the manifest says otherwise"
            raise BundleCorruptError(self.folder / layout.INDEX_FILE, reason)
        self._open_tables(prefault=config.prefault)
        self._namespace_numbers = {name: i for i, name in enumerate(self.manifest.namespaces)}
        self._filters: dict[int, SearchFilter] = {}

    def _load_arrays(self) -> None:
        counts, dim = self.manifest.counts, self.manifest.encoder.dim
        self._n_rows = counts.all_rows
        self.rows: npt.NDArray[np.int32] = self._load(layout.ROWS_FILE, layout.ROW_DTYPE, (counts.all_rows,))
        entries = self._load(layout.ENTRIES_FILE, layout.ENTRY_DTYPE, (counts.all_entries,))
        n_probes = len(self.manifest.encoder.probe_texts)
        self.probes: FloatRows = self._load(layout.PROBES_FILE, np.dtype("<f4"), (n_probes, dim))
        self._entry_namespaces, self._entry_answers = entries["namespace"], entries["answer"]
        self._entry_valid_until = entries["valid_until"]
        self._check_numbers()
        self.answers = np.where(self.rows < 0, self.rows, self._entry_answers[np.maximum(self.rows, 0)])
        self.decision: DecisionArrays = load_decision(self.folder, self.manifest.decision, counts, dim=dim)

    def _check_numbers(self) -> None:
        """Hold what leads to an entry, an answer or a namespace against how many there are, and the dead ones too."""
        counts = self.manifest.counts
        self.is_dead = self.rows == layout.DEAD_ROW
        live = self.rows[~self.is_dead] if counts.dead_rows else self.rows
        is_dead_entry = self._entry_answers == layout.DEAD_ENTRY
        if int(self.is_dead.sum()) != counts.dead_rows or int(is_dead_entry.sum()) != counts.dead_entries:
            raise BundleCorruptError(self.folder / layout.ROWS_FILE, "holds other dead rows or entries than it says")
        self._within(layout.ROWS_FILE, live, -counts.all_entries, counts.all_entries)
        if counts.dead_entries and is_dead_entry[owners_of(live)].any():
            raise BundleCorruptError(self.folder / layout.ROWS_FILE, "holds a row of a dead entry")
        alive = ~is_dead_entry
        self._within(layout.ENTRIES_FILE, self._entry_namespaces[alive], 0, len(self.manifest.namespaces))
        self._within(layout.ENTRIES_FILE, self._entry_answers[alive], 0, counts.all_answers)

    def _load(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return load_array(self.folder / name, dtype=dtype, shape=shape)

    def _within(self, name: str, values: npt.NDArray[np.int32], low: int, high: int) -> None:
        if values.size and not (low <= values.min() and values.max() < high):
            raise BundleCorruptError(self.folder / name, f"holds a number outside {low} to {high - 1}")

    def _open_tables(self, *, prefault: bool) -> None:
        path = self.folder / layout.VALUES_FILE
        if prefault:
            read_ahead(path)
        self._tables = TableReader(path, layout.TABLES, viewed=layout.VALUES_TABLE)
        if self._records_digest() != f"{self._tables.records_sha256}\n".encode("ascii"):
            raise BundleCorruptError(path, f"holds other records than were written ({layout.RECORDS_FILE} differs)")
        self.dictionary = self._tables.get(layout.META_TABLE, layout.DICTIONARY_KEY) or b""
        self._codec = ValueCodec(self.dictionary)

    def _records_digest(self) -> bytes:
        path = self.folder / layout.RECORDS_FILE
        try:
            return read_small(path, limit_bytes=_DIGEST_BYTES_LIMIT)
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error

    def namespace_number(self, namespace: str) -> int | None:
        """Return the number of a namespace, or None where the bundle has none of that name."""
        return self._namespace_numbers.get(namespace)

    def within(self, namespace: int | None) -> SearchFilter | None:
        """Return the filter of a namespace; None where everything may be returned."""
        if namespace is None or len(self.manifest.namespaces) == 1:
            return None
        if namespace not in self._filters:
            mask = ~self.is_dead
            mask[mask] = self._entry_namespaces[owners_of(self.rows[mask])] == namespace
            self._filters[namespace] = SearchFilter(np.packbits(mask, bitorder="little"), int(mask.sum()))
        return self._filters[namespace]

    def answer_of(self, entry: int) -> int:
        """Return the answer number of an entry."""
        answer: int = self._entry_answers.item(entry)
        return answer

    def namespace_of(self, entry: int) -> str:
        """Return the namespace of an entry."""
        return self.manifest.namespaces[self.namespace_number_of(entry)]

    def namespace_number_of(self, entry: int) -> int:
        """Return the number of the namespace of an entry."""
        number: int = self._entry_namespaces.item(entry)
        return number

    def valid_until(self, entry: int) -> int:
        """Return the Unix second after which an entry misses."""
        moment: int = self._entry_valid_until.item(entry)
        return moment

    def exact_rows(self, key: bytes) -> tuple[int, ...]:
        """Return the rows under an exact key; empty where there are none."""
        payload = self._tables.get(layout.KEYS_TABLE, key)
        if payload is None:
            return ()
        try:
            rows = unpack_rows(payload)
        except RecordError as error:
            raise self._corrupt(error) from error
        if max(rows) >= self._n_rows:
            raise self._corrupt(f"key {key.hex()} names row {max(rows)} of {len(self.rows)}")
        return rows

    def contents(self) -> Contents:
        """Return all that lives in this version."""
        n_answers = self.manifest.counts.all_answers
        return contents_of(
            self._tables, self._codec, rows=self.rows, entry_answers=self._entry_answers, n_answers=n_answers
        )

    def table_counts(self) -> dict[str, int]:
        """Return the number of records of each table."""
        return {table: self._tables.count(table) for table in layout.TABLES}

    def fetch(self, row: int, entry: int) -> tuple[str, bytes, str, memoryview, Literal["text", "json"]]:
        """Return what a hit needs, in one read.

        Returns:
            entry id, metadata as JSON, the row's text, the answer's bytes, and their type.
        """
        tables, answer = self._tables, self._entry_answers.item(entry)
        entry_record = tables.need(layout.ENTRIES_TABLE, number_key(entry))
        variant = tables.need(layout.VARIANTS_TABLE, number_key(row))
        value = tables.view(number_key(answer), number=answer)
        try:
            entry_id, metadata = unpack_entry(entry_record)
            _, text = unpack_variant(variant)
            content, is_compressed, value_type = unpack_value(value)
            if is_compressed:
                content = memoryview(self._codec.decompress(content))
        except (RecordError, CodecError, UnicodeDecodeError) as error:
            raise self._corrupt(error) from error
        return entry_id, metadata, text, content, value_type

    def text_of(self, row: int) -> str:
        """Return the text of a row."""
        try:
            return unpack_variant(self._tables.need(layout.VARIANTS_TABLE, number_key(row)))[1]
        except (RecordError, UnicodeDecodeError) as error:
            raise self._corrupt(error) from error

    def neighbour(self, row: int, score: float) -> Neighbour:
        """Return a row as a neighbour of some query."""
        entry = int(self.rows[row])
        owner = ~entry if entry < 0 else entry
        entry_record, variant = self._tables.get_all(
            (layout.ENTRIES_TABLE, number_key(owner)), (layout.VARIANTS_TABLE, number_key(row))
        )
        try:
            entry_id, _ = unpack_entry(entry_record)
            kind, text = unpack_variant(variant)
        except (RecordError, UnicodeDecodeError) as error:
            raise self._corrupt(error) from error
        if (kind is VariantKind.GUARD) != (entry < 0):
            raise self._corrupt(f"row {row} is a guard in one file and not in the other")
        return Neighbour(row, score, entry_id, kind, text, self.namespace_of(owner))

    def _corrupt(self, reason: object) -> BundleCorruptError:
        return BundleCorruptError(self.folder / layout.VALUES_FILE, str(reason))
