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
        ("ivf", Frame("ivf", dim=8, n_rows=100, frame_bytes=857, n_lists=4)),
        ("hnsw", Frame("hnsw", dim=8, n_rows=100, frame_bytes=27_318, n_lists=0)),
    ],
)
def test_the_frame_of_each_kind_is_read_as_faiss_writes_it(file_of: FileOf, kind: IndexKind, frame: Frame) -> None:
    """The parser agrees with the FAISS that is installed."""
    found = read_frame(memoryview(file_of(kind)))
    if kind == "hnsw":  # how many links there are is up to FAISS
        found = Frame(found.kind, found.dim, found.n_rows, frame.frame_bytes, found.n_lists)
    assert found == frame


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_what_follows_the_frame_is_the_rows(file_of: FileOf, kind: IndexKind) -> None:
    """Two bytes a dimension, to the end of the file."""
    raw = file_of(kind)
    assert len(raw) - read_frame(memoryview(raw)).frame_bytes == 100 * 16


def test_what_follows_the_frame_of_lists_is_labels_and_codes_and_then_the_rows(file_of: FileOf) -> None:
    """Two lengths a list, eight bytes a label, blocks of 32 codes of a byte; then a flat index, and a number."""
    raw = file_of("ivf")
    blocks = sum(-(-size // 32) for size in list_sizes(raw))
    assert len(raw) == 857 + 4 * 16 + 100 * 8 + blocks * 32 + 81 + 100 * 16 + 4


def list_sizes(raw: bytes) -> list[int]:
    """Give how many rows each of the four lists holds."""
    sizes, at = [], 857
    for _ in range(4):
        sizes.append(struct.unpack_from("<Q", raw, at)[0])
        at += 8 + 8 * sizes[-1]
        at += 8 + struct.unpack_from("<Q", raw, at)[0]
    return sizes


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
    ("rows of the whole", 8, "q", 99, "first pass's size: found (8, 100), allowed (8, 99)"),
    ("kind of the first pass", 37, "B", 0, "first pass: found b'\\x00wPf', allowed b'IwPf'"),
    ("dim of the first pass", 41, "i", 4, "first pass's size: found (4, 100), allowed (8, 100)"),
    ("rows of the first pass", 45, "q", 101, "first pass's size: found (8, 101), allowed (8, 100)"),
    ("first pass not trained", 69, "B", 0, "trained: found 0, allowed 1"),
    ("metric of the first pass", 70, "i", 1, "metric: found 1, allowed 0"),
    ("no list", 74, "Q", 0, "0 lists, allowed 1 to 100"),
    ("more lists than rows", 74, "Q", 101, "101 lists, allowed 1 to 100"),
    ("lists without end", 74, "Q", 2**60, "1152921504606846976 lists, allowed 1 to 100"),
    ("another number of lists", 74, "Q", 5, "coarse quantiser's size: found (8, 4), allowed (8, 5)"),
    ("coarse quantiser's kind", 90, "B", 0, "coarse quantiser: found b'\\x00xSQ', allowed b'IxSQ'"),
    ("coarse quantiser's dim", 94, "i", 4, "coarse quantiser's size: found (4, 4), allowed (8, 4)"),
    ("coarse quantiser's rows", 98, "q", 5, "coarse quantiser's size: found (8, 5), allowed (8, 4)"),
    ("coarse quantiser not trained", 122, "B", 0, "trained: found 0, allowed 1"),
    ("coarse quantiser's metric", 123, "i", 1, "metric: found 1, allowed 0"),
    ("coarse quantiser's code", 127, "i", 0, "quantiser: found 0, allowed 4"),
    ("centroids", 163, "Q", 65, "length of codes: found 65, allowed 64"),
    ("direct map", 235, "B", 1, "direct map: found (1,), allowed (0,)"),
    ("length of direct map", 236, "Q", 1, "length of direct map: found 1, allowed 0"),
    ("codes of residuals", 244, "B", 1, "way of scanning: found (1, 32, 0, 0), allowed (0, 32, 0, 0)"),
    ("size of a code", 245, "Q", 2, "size of a code and its parts: found (2, 2), allowed (1, 2)"),
    ("rows of a block", 253, "i", 64, "way of scanning: found (0, 64, 0, 0), allowed (0, 32, 0, 0)"),
    ("no rows in a block", 253, "i", 0, "way of scanning: found (0, 0, 0, 0), allowed (0, 32, 0, 0)"),
    ("padded parts", 257, "Q", 4, "size of a code and its parts: found (1, 4), allowed (1, 2)"),
    ("implementation", 265, "i", 1, "way of scanning: found (0, 32, 1, 0), allowed (0, 32, 0, 0)"),
    ("queries of a block", 269, "Q", 3, "way of scanning: found (0, 32, 0, 3), allowed (0, 32, 0, 0)"),
    ("product quantiser's dim", 277, "Q", 4, "product quantiser: found (4, 4), allowed (8, 4)"),
    ("no part", 285, "Q", 0, "0 parts, allowed the divisors of 8"),
    ("parts that do not fit", 285, "Q", 3, "3 parts, allowed the divisors of 8"),
    ("more parts than numbers", 285, "Q", 16, "16 parts, allowed the divisors of 8"),
    ("parts without end", 285, "Q", 2**63, "9223372036854775808 parts, allowed the divisors of 8"),
    ("more parts than the code", 285, "Q", 4, "size of a code and its parts: found (1, 2), allowed (2, 4)"),
    ("8-bit parts", 293, "Q", 8, "product quantiser: found (8, 8), allowed (8, 4)"),
    ("parts' values", 301, "Q", 129, "length of product quantiser: found 129, allowed 128"),
    ("kind of lists", 821, "B", 0, "inverted lists: found b'\\x00lbl', allowed b'ilbl'"),
    ("number of lists", 825, "Q", 5, "inverted lists' sizes: found (5, "),
    ("code size of lists", 833, "Q", 1, "inverted lists' sizes: found (4, 1, 32, 32)"),
    ("rows of a list's block", 841, "Q", 1, "inverted lists' sizes: found (4, 18446744073709551615, 1, 32)"),
    ("bytes of a list's block", 849, "Q", 16, "inverted lists' sizes: found (4, 18446744073709551615, 32, 16)"),
    ("labels without end", 857, "Q", 2**63, "9223372036854775808 items of 8 bytes do not fit"),
    ("labels that overflow", 857, "Q", 2**61, "2305843009213693952 items of 8 bytes do not fit"),
    ("one label less", 857, "Q", -1, "length of codes of a list: found "),
]
REFINEMENT_FIELDS = [
    ("kind", 0, "B", 0, "refinement: found b'\\x00xSQ', allowed b'IxSQ'"),
    ("dim", 4, "i", 4, "refinement's size: found (4, 100), allowed (8, 100)"),
    ("rows", 8, "q", 99, "refinement's size: found (8, 99), allowed (8, 100)"),
    ("not trained", 32, "B", 0, "trained: found 0, allowed 1"),
    ("8-bit codes", 37, "i", 0, "quantiser: found 0, allowed 4"),
    ("length of codes", 73, "Q", 1599, "length of codes: found 1599, allowed 1600"),
    ("factor", 81 + 1600, "f", 2.0, "refinement's factor: found (2.0,), allowed (1.0,)"),
    ("factor without end", 81 + 1600, "f", float("inf"), "refinement's factor: found (inf,), allowed (1.0,)"),
    ("factor that is no number", 81 + 1600, "f", float("nan"), "refinement's factor: found (nan,), allowed (1.0,)"),
]


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), IVF_FIELDS)
def test_each_changed_field_of_an_ivf_frame_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: int, message: str
) -> None:
    """The coarse quantiser, the product quantiser and the lists are held against the header."""
    if field == "one label less":
        value = list_sizes(file_of("ivf"))[0] - 1
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(file_of('ivf'), at, layout, value))}")


@pytest.mark.parametrize(("field", "at", "layout", "value", "message"), REFINEMENT_FIELDS)
def test_each_changed_field_of_the_rows_behind_the_lists_is_refused(
    file_of: FileOf, *, field: str, at: int, layout: str, value: float, message: str
) -> None:
    """The float16 rows are as many and as long as the lists say."""
    raw = file_of("ivf")
    start = len(raw) - 4 - 1600 - 81
    with pytest.raises(FrameError, match=re.escape(message)):
        pytest.fail(f"{field}: {read_frame(patched(raw, start + at, layout, value))}")


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    ("label", "message"), [(100, "is in no list"), (2**63, "is in no list"), (-1, "is in no list")]
)
def test_a_label_in_any_list_that_is_no_row_is_refused(file_of: FileOf, number: int, label: int, message: str) -> None:
    """FAISS follows labels without a look at them."""
    raw = file_of("ivf")
    at = 857
    for size in list_sizes(raw)[:number]:
        at += 16 + 8 * size + -(-size // 32) * 32
    with pytest.raises(FrameError, match=message):
        read_frame(patched(raw, at + 8, "Q", label % 2**64))


def test_a_row_in_two_lists_is_refused(file_of: FileOf) -> None:
    """Then another one is in none."""
    raw = file_of("ivf")
    first, second = struct.unpack_from("<QQ", raw, 865)
    with pytest.raises(FrameError, match=f"row {first} is in no list"):
        read_frame(patched(raw, 865, "Q", second))


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
    message = f"index type {magic!r}, allowed IxSQ, IxRF or IHNs"
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
