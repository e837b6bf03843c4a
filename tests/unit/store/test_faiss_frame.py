from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from semcache.core.vectors import FloatRows, unit_rows
from semcache.store.faiss_frame import Frame, FrameError, read_frame
from semcache.store.faiss_index import IndexKind, build_index

N_ROWS, DIM = 100, 8
FileOf = Callable[[IndexKind], bytes]


@pytest.fixture(scope="module")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> FileOf:
    """Give the file of each kind of index over 100 rows of 8, as FAISS writes it."""
    vectors = unit_rows(np.random.default_rng(0).standard_normal((N_ROWS, DIM), dtype=np.float32))
    folder = tmp_path_factory.mktemp("frames")
    kinds: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")
    files = {kind: written(folder / kind, vectors, kind) for kind in kinds}
    return lambda kind: files[kind]


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the file of an inverted index whose lists are empty but for two: FAISS writes their sizes as pairs."""
    vectors = np.zeros((256, DIM), dtype=np.float32)
    vectors[:128, 0] = vectors[128:, 1] = 1
    return written(tmp_path_factory.mktemp("sparse") / "ivf", vectors, "ivf")


def written(path: Path, vectors: FloatRows, kind: IndexKind) -> bytes:
    """Give the bytes that FAISS writes for an index."""
    faiss.write_index(build_index(vectors, kind=kind, seed=0), str(path))
    return path.read_bytes()


def patched(raw: bytes, at: int, layout: str, value: float) -> memoryview:
    """Give the bytes with one field overwritten."""
    changed = bytearray(raw)
    struct.pack_into("<" + layout, changed, at, value)
    return memoryview(changed)


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("flat", Frame("flat", dim=8, n_rows=100, frame_bytes=81, n_lists=0)),
        ("ivf", Frame("ivf", dim=8, n_rows=100, frame_bytes=344, n_lists=4)),
        ("hnsw", Frame("hnsw", dim=8, n_rows=100, frame_bytes=27_318, n_lists=0)),
    ],
)
def test_the_frame_of_each_kind_is_read_as_faiss_writes_it(file_of: FileOf, kind: IndexKind, frame: Frame) -> None:
    """The parser agrees with the FAISS that is installed."""
    found = read_frame(memoryview(file_of(kind)))
    if kind == "hnsw":  # how many links there are is up to FAISS
        found = Frame(found.kind, found.dim, found.n_rows, frame.frame_bytes, found.n_lists)
    assert found == frame


@pytest.mark.parametrize(("kind", "row_bytes"), [("flat", 16), ("ivf", 24), ("hnsw", 16)])
def test_what_follows_the_frame_is_the_rows(file_of: FileOf, kind: IndexKind, row_bytes: int) -> None:
    """Two bytes a dimension, and of inverted lists eight for the label: to the end of the file."""
    raw = file_of(kind)
    assert len(raw) - read_frame(memoryview(raw)).frame_bytes == 100 * row_bytes


def test_sizes_of_mostly_empty_lists_are_read(sparse: bytes) -> None:
    """FAISS writes them in another form."""
    assert b"sprs" in sparse
    assert read_frame(memoryview(sparse)) == Frame("ivf", dim=8, n_rows=256, frame_bytes=728, n_lists=16)


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_an_index_without_a_row_has_a_frame(tmp_path: Path, kind: IndexKind) -> None:
    """Nothing in it is not wrong."""
    raw = written(tmp_path / "empty", np.zeros((0, DIM), dtype=np.float32), kind)
    frame = read_frame(memoryview(raw))
    assert (frame.n_rows, frame.frame_bytes) == (0, len(raw))


FLAT_FIELDS = [
    ("dim 0", 4, "i", 0, "dim 0 and 100 rows, allowed 1 to 65536"),
    ("dim below 0", 4, "i", -8, "dim -8 and 100 rows"),
    ("dim too large", 4, "i", 65_537, "dim 65537 and 100 rows"),
    ("another dim", 4, "i", 9, "quantiser sizes: found (8, 16), allowed (9, 18)"),
    ("rows below 0", 8, "q", -1, "dim 8 and -1 rows"),
    ("rows too many", 8, "q", 2**31, "and 2147483648 rows"),
    ("another number of rows", 8, "q", 99, "length of codes: found 1600, allowed 1584"),
    ("not trained", 32, "B", 0, "trained: found 0, allowed 1"),
    ("trained twice", 32, "B", 2, "trained: found 2, allowed 1"),
    ("L2 metric", 33, "i", 1, "metric: found 1, allowed 0"),
    ("8-bit codes", 37, "i", 0, "quantiser: found 0, allowed 4"),
    ("quantiser's dim", 49, "Q", 4, "quantiser sizes: found (4, 16), allowed (8, 16)"),
    ("quantiser's code size", 57, "Q", 8, "quantiser sizes: found (8, 8), allowed (8, 16)"),
    ("trained parameters", 65, "Q", 1, "length of trained parameters: found 1, allowed 0"),
    ("length of codes", 73, "Q", 1616, "length of codes: found 1616, allowed 1600"),
    ("endless codes", 73, "Q", 2**64 - 1, "length of codes: found 18446744073709551615, allowed 1600"),
]


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), FLAT_FIELDS)
def test_each_changed_field_of_a_flat_frame_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: int, message: str
) -> None:
    """FAISS never sees a file whose fields are not the ones this project writes; the error says which."""
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(file_of('flat'), at, layout, value))}")


IVF_FIELDS = [
    ("no list", 37, "Q", 0, "coarse quantiser's size: found (8, 4), allowed (8, 0)"),
    ("lists without end", 37, "Q", 2**60, "coarse quantiser's size: found (8, 4), allowed (8, 1152921504606846976)"),
    ("coarse quantiser's kind", 53, "B", 0, "coarse quantiser: found b'\\x00xFI', allowed b'IxFI'"),
    ("coarse quantiser's dim", 57, "i", 4, "coarse quantiser's size: found (4, 4), allowed (8, 4)"),
    ("coarse quantiser's rows", 61, "q", 5, "coarse quantiser's size: found (8, 5), allowed (8, 4)"),
    ("coarse quantiser not trained", 85, "B", 0, "trained: found 0, allowed 1"),
    ("coarse quantiser's metric", 86, "i", 1, "metric: found 1, allowed 0"),
    ("centroids", 90, "Q", 33, "length of centroids: found 33, allowed 32"),
    ("direct map", 226, "B", 1, "direct map: found (1,), allowed (0,)"),
    ("length of direct map", 227, "Q", 1, "length of direct map: found 1, allowed 0"),
    ("8-bit codes", 235, "i", 0, "quantiser: found 0, allowed 4"),
    ("quantiser's code size", 255, "Q", 8, "quantiser sizes: found (8, 8), allowed (8, 16)"),
    ("code size", 271, "Q", 8, "found "),
    ("codes of residuals", 279, "B", 1, "found "),
    ("kind of lists", 280, "B", 0, "inverted lists: found b'\\x00lar', allowed b'ilar'"),
    ("number of lists", 284, "Q", 5, "inverted lists' sizes: found (5, 16), allowed (4, 16)"),
    ("code size of lists", 292, "Q", 8, "inverted lists' sizes: found (4, 8), allowed (4, 16)"),
    ("form of sizes", 300, "B", 0, "layout of list sizes: found b'\\x00ull', allowed b'sprs'"),
    ("how many sizes", 304, "Q", 3, "length of list sizes: found 3, allowed 4"),
    ("a size", 312, "Q", 2**63, "rows in all lists: found "),
]


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), IVF_FIELDS)
def test_each_changed_field_of_an_ivf_frame_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: int, message: str
) -> None:
    """The coarse quantiser, the direct map and the lists are held against the header."""
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(file_of('ivf'), at, layout, value))}")


def test_list_sizes_that_only_add_up_are_accepted(file_of: FileOf) -> None:
    """The parser knows how many rows there are, not which list they belong to: FAISS stays within the file."""
    raw = bytearray(file_of("ivf"))
    sizes = struct.unpack_from("<4Q", raw, 312)
    struct.pack_into("<4Q", raw, 312, *reversed(sizes))
    assert read_frame(memoryview(raw)).n_rows == 100


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((0, 128, 0, 128), "a list number is twice or above 16"),
        ((0, 128, 16, 128), "a list number is twice or above 16"),
        ((0, 128, 1, 129), "rows in all lists: found 257, allowed 256"),
    ],
)
def test_sparse_list_sizes_that_cannot_be_are_refused(
    sparse: bytes, pairs: tuple[int, int, int, int], message: str
) -> None:
    """Each list once, each number in range, the sizes adding up."""
    raw = bytearray(sparse)
    struct.pack_into("<4Q", raw, 728 - 32, *pairs)
    with pytest.raises(FrameError, match=message):
        read_frame(memoryview(raw))


def test_an_odd_number_of_sparse_sizes_is_refused(sparse: bytes) -> None:
    """They come in pairs of list and size."""
    with pytest.raises(FrameError, match="odd length of list sizes: found 1, allowed 0"):
        read_frame(patched(sparse, 728 - 40, "Q", 3))


HNSW_FIELDS = [
    ("level probabilities without end", 37, "Q", 2**61, "2305843009213693952 items of 8 bytes do not fit"),
    ("neighbours a level without end", 93, "Q", 2**62, "4611686018427387904 items of 4 bytes do not fit"),
    ("levels", 129, "Q", 99, "length of levels: found 99, allowed 100"),
    ("offsets", 537, "Q", 100, "length of offsets: found 100, allowed 101"),
    ("links without end", 1353, "Q", 2**62, "4611686018427387904 items of 4 bytes do not fit"),
]
STORAGE_FIELDS = [
    ("kind of storage", 0, "B", 0, "storage: found b'\\x00xSQ', allowed b'IxSQ'"),
    ("storage's dim", 4, "i", 4, "storage's size: found (4, 100), allowed (8, 100)"),
    ("storage's rows", 8, "q", 99, "storage's size: found (8, 99), allowed (8, 100)"),
    ("storage not trained", 32, "B", 0, "trained: found 0, allowed 1"),
    ("8-bit codes", 37, "i", 0, "quantiser: found 0, allowed 4"),
    ("length of codes", 73, "Q", 1601, "length of codes: found 1601, allowed 1600"),
]


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), HNSW_FIELDS)
def test_each_changed_length_of_a_graph_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: int, message: str
) -> None:
    """Every length is held against the rows or the end of the file."""
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(file_of('hnsw'), at, layout, value))}")


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), STORAGE_FIELDS)
def test_each_changed_field_of_a_graphs_storage_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: int, message: str
) -> None:
    """The vectors under a graph are as many and as long as the graph says."""
    raw = file_of("hnsw")
    start = read_frame(memoryview(raw)).frame_bytes - 81
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(raw, start + at, layout, value))}")


@pytest.mark.parametrize("magic", [b"IxFI", b"IwFl", b"IxMp", b"\0\0\0\0", b"PK\3\4"])
def test_another_type_of_index_is_refused(file_of: FileOf, magic: bytes) -> None:
    """FAISS knows a hundred kinds; this project writes three."""
    message = f"index type {magic!r}, allowed IxSQ, IwSq or IHNs"
    with pytest.raises(FrameError, match=f"^{re.escape(message)}$"):
        read_frame(memoryview(magic + file_of("flat")[4:]))


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_a_file_cut_short_anywhere_is_refused(file_of: FileOf, kind: IndexKind) -> None:
    """No prefix of a file is a file."""
    raw = memoryview(file_of(kind))
    for n in range(len(raw)):
        with pytest.raises(FrameError):
            read_frame(raw[:n])


def test_a_graph_cut_short_in_any_part_is_refused(file_of: FileOf) -> None:
    """Each step of a prime, so that every part is hit."""
    raw = memoryview(file_of("hnsw"))
    for n in (*range(0, 1500, 7), *range(1500, len(raw), 997), len(raw) - 1):
        with pytest.raises(FrameError):
            read_frame(raw[:n])


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_a_byte_after_the_end_is_refused(file_of: FileOf, kind: IndexKind) -> None:
    """The lengths add up to the file's size to the byte."""
    with pytest.raises(FrameError, match="end of file"):
        read_frame(memoryview(file_of(kind) + b"\0"))
