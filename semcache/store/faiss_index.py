"""Vector indexes: built, written, mapped and searched with FAISS, which only this file and `faiss_follow.py` know.

All indexes hold unit rows as float16 under inner product, so a score is a cosine. A mapped index can only be
searched: FAISS ends the process when one is added to or removed from.

Kind ivf searches twice: a third of the rows by 4-bit product codes (FAISS's fast scan, which stays in registers),
then the best 128 of them (or 2 k) by their float16 rows. Over 100,000 rows of 384 that takes 0.2 ms, and 0.5 ms when
the encoder has just emptied the processor's caches; scanning float16 rows with the same recall takes 1.0 and 1.3 ms.
FAISS reads product codes and labels into memory of the process (6 MB for 100,000 rows); the float16 rows are mapped.

A file is what FAISS writes, then its crc32 (4 bytes, little-endian). One flipped bit of a code moves a score and
can turn a guard's miss into somebody else's answer, so the codes are checked once, before the first search (28 ms
for 80 MB); an open that never searches does not pay for it.
"""

from __future__ import annotations

import math
import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal

import faiss
import numpy as np
import numpy.typing as npt

from semcache.core.vectors import FloatRows, HalfRows
from semcache.errors import BundleCorruptError, StorageError
from semcache.store.faiss_frame import Frame, FrameError, read_frame
from semcache.store.mapping import map_file, prefault

IndexKind = Literal["flat", "ivf", "hnsw"]
Rows = npt.NDArray[np.int64]

_HNSW_LINKS = 32
_HNSW_BUILD_EFFORT = 80
_TRAIN_ROWS_PER_LIST = 64
_KMEANS_ROUNDS = 12
_TRAIN_ROWS_OF_CODES = 4096
_CODE_VALUES = 16
_CANDIDATES = 128
_CANDIDATES_PER_ROW = 2
_EXACT_ROWS = 2_000
_ADD_ROWS = 65_536
_SCORE_SLACK = 0.01
_CRC = struct.Struct("<I")
_WRITE_BYTES = 1 << 20
_MAX_HNSW_EFFORT = 65_536


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Rows that may be returned.

    Attributes:
        bits: a bitmap; bit r % 8 of byte r // 8 is row r.
        n_rows: how many bits are set.
    """

    bits: npt.NDArray[np.uint8]
    n_rows: int


def n_lists_for(n_rows: int) -> int:
    """Return how many inverted lists suit an index: the power of two nearest to sqrt(n), at least 16 rows a list.

    With more and shorter lists fewer rows are scanned, but finding the lists costs more than that saves.
    """
    return 1 << max(0, min(round(math.log2(max(n_rows, 1)) / 2), (n_rows // 16).bit_length() - 1))


def build_index(vectors: FloatRows | HalfRows, *, kind: IndexKind, seed: int, trained: bytes = b"") -> Any:
    """Build an index over (n, dim) unit rows; row i gets label i. Deterministic for a seed.

    Args:
        vectors: the rows. Their float16 numbers are what is indexed: whoever has only these builds the same bytes.
        kind: of index.
        seed: of what is trained.
        trained: what `trained_frame` returned, for kind ivf: nothing is trained then.

    Returns:
        An opaque index for `write_index` and `search_built`.

    Raises:
        BundleCorruptError: `trained` is not of this kind and dim.
    """
    n_rows, dim = vectors.shape
    if kind == "flat":
        index = _empty_flat(dim)
    elif trained:
        index = from_frame(trained, kind=kind, dim=dim)
    elif kind == "ivf":
        index = faiss.IndexRefine(_empty_ivf(vectors, seed=seed), _empty_flat(dim))
    else:
        index = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_fp16, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _HNSW_BUILD_EFFORT
    index.is_trained = True
    with one_thread():  # the links of a graph depend on the order in which threads add
        for start in range(0, n_rows, _ADD_ROWS):
            kept = vectors[start : start + _ADD_ROWS].astype(np.float16, copy=False)
            index.add(np.ascontiguousarray(kept, np.float32))
    return index


def trained_frame(path: Path) -> bytes:
    """Return what was trained of an index file, without its rows; empty where nothing is.

    Raises:
        BundleCorruptError: FAISS cannot read the file, whose digest must have been checked before.
    """
    if frame_of(path)[0].kind != "ivf":
        return b""
    try:
        index = faiss.read_index(str(path))
        index.reset()
        return bytes(faiss.serialize_index(index))
    except RuntimeError as error:
        raise BundleCorruptError(path, f"FAISS: {first_line(error)}") from error


def from_frame(trained: bytes, *, kind: IndexKind, dim: int) -> Any:
    """Return the empty index that `trained_frame` returned; FAISS sees only bytes whose every length was checked.

    Raises:
        BundleCorruptError: it is not of this kind and dim.
    """
    try:
        frame = read_frame(memoryview(trained))
        if (frame.kind, frame.dim, frame.n_rows) == (kind, dim, 0):
            return faiss.deserialize_index(np.frombuffer(trained, np.uint8))
    except (FrameError, RuntimeError) as error:
        raise BundleCorruptError("index.frame", first_line(error)) from error
    raise BundleCorruptError("index.frame", f"found {frame.kind} of {frame.dim}, allowed {kind} of {dim}, no rows")


def _empty_flat(dim: int) -> Any:
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    return index


def _empty_ivf(vectors: FloatRows | HalfRows, *, seed: int) -> Any:
    """Train lists and product codes on a sample of the rows, repeated where there are fewer than a code has values."""
    n_rows, dim = vectors.shape
    n_lists = n_lists_for(n_rows)
    order = np.random.default_rng(seed).permutation(n_rows)
    kmeans = faiss.Kmeans(dim, n_lists, niter=_KMEANS_ROUNDS, seed=seed, spherical=True, min_points_per_centroid=1)
    kmeans.train(np.ascontiguousarray(vectors[np.sort(order[: n_lists * _TRAIN_ROWS_PER_LIST])], np.float32))
    coarse = _empty_flat(dim)
    coarse.add(kmeans.centroids)
    index = faiss.IndexIVFPQFastScan(coarse, dim, n_lists, n_parts_for(dim), 4, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False
    index.pq.cp.seed, index.pq.cp.min_points_per_centroid = seed, 1
    sample = np.sort(order[:_TRAIN_ROWS_OF_CODES])
    with one_thread():  # many small clusterings: OpenMP's threads would wait for each other most of the time
        index.train(np.ascontiguousarray(vectors[np.resize(sample, max(len(sample), _CODE_VALUES))], np.float32))
    return index


def n_parts_for(dim: int) -> int:
    """Return into how many parts a product code cuts a vector: of 4 numbers each, or of as many below as fit."""
    return dim // next(size for size in (4, 3, 2, 1) if dim % size == 0)


def search_built(index: Any, queries: FloatRows, *, k: int, effort: int) -> Rows:
    """Return (nq, k) int64 labels, best first, -1 for none, with all cores. `effort` as in `IndexInfo`."""
    return _search(index, queries, k, n_wanted=min(k, index.ntotal), params=_params(index, k, effort))[1]


def _search(
    index: Any, queries: FloatRows, k: int, *, n_wanted: int, params: Any, selector: Any = None
) -> tuple[FloatRows, Rows]:
    """Search as `_params` says; compare every row with the queries for which too few were found.

    Lists may hold few rows, or few that are allowed; a graph leads nowhere once most of its rows are barred; and the
    fast scan never gives the row that it takes for the farthest of all: of one row, none.
    """
    scores, rows = index.search(queries, k, params=params)
    is_short = rows[:, n_wanted - 1] < 0
    if is_short.any():
        every = faiss.SearchParameters(sel=selector)
        short = np.ascontiguousarray(queries[is_short])
        scores[is_short], rows[is_short] = exact_part(index).search(short, k, params=every)
    return scores, rows


def _params(index: Any, k: int, effort: int, selector: Any = None) -> Any:
    if isinstance(index, faiss.IndexRefine):
        n_lists = first_pass(index).nlist
        lists = faiss.SearchParametersIVF(sel=selector, nprobe=min(effort, n_lists))
        n_candidates = min(max(_CANDIDATES, _CANDIDATES_PER_ROW * k) * max(1, effort // n_lists), index.ntotal)
        return faiss.IndexRefineSearchParameters(base_index_params=lists, k_factor=max(1, -(-n_candidates // k)))
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=selector, efSearch=effort)
    return faiss.SearchParameters(sel=selector)


def exact_part(index: Any) -> Any:
    """Return the part of an index that compares a query with every float16 row."""
    if isinstance(index, faiss.IndexRefine):
        return faiss.downcast_index(index.refine_index)
    return faiss.downcast_index(index.storage) if isinstance(index, faiss.IndexHNSW) else index


def first_pass(index: Any) -> Any:
    """Return the lists of an index of kind ivf."""
    return faiss.downcast_index(index.base_index)


def exact_neighbours(vectors: FloatRows, queries: FloatRows, *, k: int) -> tuple[FloatRows, Rows]:
    """Return the (nq, k) best scores and labels by exhaustive search over (n, dim) float32 rows."""
    scores, labels = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, labels


def efforts(index: Any) -> list[int]:
    """Return the search efforts worth trying, least first; the last one is the most the index can do."""
    if isinstance(index, faiss.IndexRefine):
        n_lists, most = first_pass(index).nlist, _most_times(index.ntotal)
        steps = {(1 << i) + (1 << i) * eighth // 8 for i in range(n_lists.bit_length()) for eighth in range(8)}
        times = {*(1 << i for i in range(most.bit_length())), most}
        return sorted({*(step for step in steps if step <= n_lists), *(n_lists * n for n in times)})
    return [16, 32, 64, 128, 256, 512] if isinstance(index, faiss.IndexHNSW) else [0]


def _most_times(n_rows: int) -> int:
    """Return how many times the usual candidates are all rows."""
    return max(1, -(-n_rows // _CANDIDATES))


def write_index(index: Any, path: Path) -> None:
    """Write an index file.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with path.open("wb") as file:
            sink = _Sink(file)
            faiss.write_index(index, faiss.PyCallbackIOWriter(sink.write, _WRITE_BYTES))
            file.write(_CRC.pack(sink.crc))
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    except RuntimeError as error:
        raise StorageError(path, f"FAISS: {first_line(error)}") from error


class _Sink:
    """Takes what FAISS writes, by way of Python: FAISS itself overlooks a disk that fills up with the last block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.crc = file, 0

    def write(self, block: bytes) -> None:
        self.crc = zlib.crc32(block, self.crc)
        self._file.write(block)


def frame_of(path: Path) -> tuple[Frame, str]:
    """Return the frame of an index file, and the digest of the frame and the file's checksum.

    Raises:
        BundleCorruptError: the file is not one that this project writes.
        StorageError: it cannot be read.
    """
    return _read_sealed(path, memoryview(_map(path)))


def _read_sealed(path: Path, view: memoryview) -> tuple[Frame, str]:
    try:
        frame = read_frame(view[: -_CRC.size])
    except FrameError as error:
        raise BundleCorruptError(path, str(error)) from error
    digest = sha256(view[: frame.frame_bytes])
    digest.update(view[-_CRC.size :])
    return frame, digest.hexdigest()


def _map(path: Path) -> mmap.mmap:
    try:
        return map_file(path)
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
    except ValueError as error:
        raise BundleCorruptError(path, "is empty") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep one lookup on one core: OpenMP's pool costs more than it gives, and does not survive fork."""
    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(n_threads)


class MappedIndex:
    """An index file used in place: shared pages, search only. Safe to share between threads.

    Attributes:
        dim: length of a vector.
        n_rows: number of rows.
        frame: what the file says of itself.
    """

    def __init__(self, path: Path, *, frame_sha256: str, effort: int, prefault_pages: bool) -> None:
        """Map an index file.

        Args:
            path: the file.
            frame_sha256: what `frame_of` returned.
            effort: as in `IndexInfo`.
            prefault_pages: bring every page in now, not when it is first searched.

        Raises:
            BundleCorruptError: it is not the file that was written, or the effort is not one for it.
            StorageError: it cannot be read.
        """
        self._path = path
        self._map = _map(path)
        view = memoryview(self._map)
        self.frame, found = _read_sealed(path, view)
        if found != frame_sha256:
            raise BundleCorruptError(path, "its frame is not the one that was written (sha256 differs)")
        self._check_effort(effort)
        self._data, self._crc = view[: -_CRC.size], _CRC.unpack(view[-_CRC.size :])[0]
        self._is_checked = False
        if prefault_pages:
            prefault(self._map)
        self._bytes = np.frombuffer(self._data, np.uint8)
        try:
            reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(self._bytes), self._bytes.size)
            self._index = faiss.read_index(reader)
        except RuntimeError as error:
            raise BundleCorruptError(path, f"FAISS: {first_line(error)}") from error
        self._effort = effort
        self._last_params: tuple[int, Any] = 0, None
        self.dim, self.n_rows = self.frame.dim, self.frame.n_rows

    def _check_effort(self, effort: int) -> None:
        most_of_lists = self.frame.n_lists * _most_times(self.frame.n_rows)
        least, most = {"flat": (0, 0), "ivf": (1, most_of_lists), "hnsw": (1, _MAX_HNSW_EFFORT)}[self.frame.kind]
        if not least <= effort <= most:
            reason = f"{self.frame.kind} index with effort {effort} in the manifest, allowed {least} to {most}"
            raise BundleCorruptError(self._path, reason)

    def _check_codes(self) -> None:
        if not self._is_checked:
            if zlib.crc32(self._data) != self._crc:
                raise BundleCorruptError(self._path, "its codes are not the ones that were written (crc32 differs)")
            self._is_checked = True

    def search(self, queries: FloatRows, k: int, *, within: SearchFilter | None = None) -> tuple[FloatRows, Rows]:
        """Return the k nearest rows of each query.

        Args:
            queries: (nq, dim) float32 unit rows.
            k: 1 or more.
            within: only these rows are considered, during the search.

        Returns:
            scores (nq, k) float32 and rows (nq, k) int64, best first; row -1 where there are no more.

        Raises:
            BundleCorruptError: the codes are not the ones that were written.
        """
        self._check_codes()
        try:
            with one_thread():
                if within is None:
                    n_wanted = min(k, self.n_rows)
                    scores, rows = _search(self._index, queries, k, n_wanted=n_wanted, params=self._params_for(k))
                else:
                    scores, rows = self._search_within(queries, k, within)
        except RuntimeError as error:
            raise BundleCorruptError(self._path, f"FAISS: {first_line(error)}") from error
        if not scores.max(initial=-1) <= 1 + _SCORE_SLACK:  # not a number is the maximum of anything
            raise BundleCorruptError(self._path, "a code is not the one that was written (impossible score)")
        return scores, rows

    def float16_rows(self, first: int, last: int) -> npt.NDArray[np.float16]:
        """Return (last - first, dim) rows as the file has them; a copy, for the map may end.

        Raises:
            BundleCorruptError: the codes are not the ones that were written.
        """
        self._check_codes()
        codes = faiss.rev_swig_ptr(exact_part(self._index).codes.data(), self.n_rows * self.dim * 2)
        rows: npt.NDArray[np.float16] = codes.view("<f2").reshape(self.n_rows, self.dim)[first:last].copy()
        return rows

    def _params_for(self, k: int) -> Any:
        """Return the parameters without a filter; those of the last k are kept.

        Making them takes 0.1 ms right after the encoder has run. FAISS only reads them.
        """
        last_k, params = self._last_params
        if k != last_k:
            params = _params(self._index, k, self._effort)
            self._last_params = k, params
        return params

    def _search_within(self, queries: FloatRows, k: int, within: SearchFilter) -> tuple[FloatRows, Rows]:
        """Search allowed rows only, so that a filter costs no recall.

        The rarer they are, the more of the index is visited: an effort that finds neighbours among all rows finds
        few among a hundredth of them. Where comparing each allowed row is faster, or a graph has lost its ways,
        that is done.
        """
        selector, n_allowed = faiss.IDSelectorBitmap(within.bits), within.n_rows
        effort = -(-self._effort * self.n_rows // max(n_allowed, 1))
        if self.frame.kind == "ivf" and n_allowed > _EXACT_ROWS:
            effort = max(self._effort, min(effort, self.frame.n_lists))
        elif self.frame.kind == "hnsw" and 2 * n_allowed >= self.n_rows:
            effort = min(effort, self.n_rows)
        else:
            every = faiss.SearchParameters(sel=selector)
            found: tuple[FloatRows, Rows] = exact_part(self._index).search(queries, k, params=every)
            return found
        params = _params(self._index, k, effort, selector)
        return _search(self._index, queries, k, n_wanted=min(k, n_allowed), params=params, selector=selector)


def first_line(error: Exception) -> str:
    """Return what FAISS says, without where in its code."""
    return str(error).strip().splitlines()[-1]
