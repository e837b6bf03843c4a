"""Vectors that somebody made on purpose, everything else agreeing with them: an error, never a dead process."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from asking import ask, ask_in_a_process
from surgery import file_of, patch, replace_bytes, reseal

from semcache import Cache
from semcache.core.vectors import FloatRows, unit_rows
from semcache.errors import BundleCorruptError
from semcache.store.faiss_frame import read_frame

DIM, N_ROWS = 64, 14


def vectors(n_rows: int = 300) -> FloatRows:
    """Give random unit rows."""
    rows = np.random.default_rng(0).standard_normal((n_rows, DIM), dtype=np.float32)
    return unit_rows(rows)


def filled(index: Any) -> bytes:
    """Train an index, add rows, and give its file."""
    rows = np.ascontiguousarray(vectors()[:, : index.d])
    index.train(rows)
    if isinstance(index, faiss.IndexIDMap):
        index.add_with_ids(rows[:N_ROWS], np.arange(N_ROWS))
    else:
        index.add(rows[:N_ROWS])
    data: bytes = faiss.serialize_index(index).tobytes()
    return data


def residuals_refined() -> Any:
    """Give an index that differs in one flag from what this project writes."""
    index = faiss.index_factory(DIM, "IVF4(SQfp16),PQ16x4fs,Refine(SQfp16)", INNER)
    faiss.downcast_index(index.base_index).by_residual = True
    return index


INNER = faiss.METRIC_INNER_PRODUCT
QUANTISER = faiss.ScalarQuantizer
OTHERS: dict[str, Callable[[], Any]] = {
    "float32 rows": lambda: faiss.IndexFlatIP(DIM),
    "distances": lambda: faiss.IndexFlatL2(DIM),
    "8-bit rows": lambda: faiss.IndexScalarQuantizer(DIM, QUANTISER.QT_8bit, INNER),
    "float16 distances": lambda: faiss.IndexScalarQuantizer(DIM, QUANTISER.QT_fp16, faiss.METRIC_L2),
    "mapped labels": lambda: faiss.index_factory(DIM, "IDMap,SQfp16", INNER),
    "reverse-mapped labels": lambda: faiss.index_factory(DIM, "IDMap2,SQfp16", INNER),
    "product quantiser": lambda: faiss.IndexPQ(DIM, 8, 4, INNER),
    "lists of product codes": lambda: faiss.IndexIVFPQ(faiss.IndexFlatIP(DIM), DIM, 4, 8, 4, INNER),
    "lists of float32 rows": lambda: faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, 4, INNER),
    "lists of residuals": lambda: faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIM), DIM, 4, QUANTISER.QT_fp16, INNER, True
    ),
    "graph of float32 rows": lambda: faiss.IndexHNSWFlat(DIM, 8, INNER),
    "graph of product codes": lambda: faiss.IndexHNSWPQ(DIM, 8, 8),
    "lists refined by float32 rows": lambda: faiss.index_factory(DIM, "IVF4,PQ16x4fs,RFlat", INNER),
    "residuals refined": residuals_refined,
    "refined": lambda: faiss.index_factory(DIM, "SQ8,Refine(SQfp16)", INNER),
    "transformed": lambda: faiss.index_factory(DIM, "PCA32,SQfp16", INNER),
    "hashed": lambda: faiss.index_factory(DIM, "LSH", faiss.METRIC_L2),
    "other dim": lambda: faiss.IndexScalarQuantizer(DIM // 2, QUANTISER.QT_fp16, INNER),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_an_index_of_another_type_never_reaches_faiss(bundle: Path, kind: str) -> None:
    """FAISS can read it, and what FAISS reads of it is not bounded: only three types are let through."""
    replace_bytes(file_of(bundle, "index.faiss"), filled(OTHERS[kind]()) + bytes(4))
    reseal(bundle)
    assert ask(bundle) == ["error BundleCorruptError"]


LENGTHS = {
    "dim": (4, "i", (0, -1, 2**31 - 1, 65_537)),
    "number of rows": (8, "q", (-1, 15, 2**31 - 1, 2**62, -(2**63))),
    "quantiser's dim": (49, "Q", (0, 63, 2**32, 2**64 - 1)),
    "size of a code": (57, "Q", (0, 127, 2**63, 2**64 - 1)),
    "trained numbers": (65, "Q", (1, 2**62, 2**64 - 1)),
    "length of codes": (73, "Q", (0, 1791, 1793, 2**63, 2**64 - 128)),
}


@pytest.mark.parametrize("field", LENGTHS)
def test_a_length_that_overflows_is_corrupt(root: Path, field: str) -> None:
    """Whatever it is multiplied with, it does not lead outside the file."""
    at, layout, values = LENGTHS[field]
    copies = [shutil.copytree(root / "flat", root / f"copy{i}") for i in range(len(values))]
    for copy, value in zip(copies, values, strict=True):
        patch(file_of(copy, "index.faiss"), at, layout, value)
        reseal(copy)
    assert ask_in_a_process(copies) == [["error BundleCorruptError"]] * len(values)


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_bytes_after_the_index_are_corrupt(root: Path, kind: str) -> None:
    """The checksum ends the file."""
    path = file_of(root / kind, "index.faiss")
    replace_bytes(path, path.read_bytes()[:-4] + bytes(8))
    reseal(root / kind)
    assert ask(root / kind) == ["error BundleCorruptError"]


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_every_field_of_the_frame_may_be_anything(root: Path, kind: str) -> None:
    """Hundreds of frames with one or two numbers overwritten, all digests right: hits, misses, errors; it lives."""
    rng = np.random.default_rng(3)
    raw = file_of(root / kind, "index.faiss").read_bytes()
    n_frame = len(raw) - 4 - N_ROWS * 2 * DIM
    copies = []
    for i in range(60):
        copy = shutil.copytree(root / kind, root / f"copy{i}")
        data = bytearray(raw)
        for _ in range(rng.integers(1, 3)):
            value = rng.choice([0, 1, 13, 15, 2**31 - 1, 2**62, -1, -(2**31), -(2**63)])
            struct.pack_into("<q", data, int(rng.integers(0, n_frame - 8)), value)
        replace_bytes(file_of(copy, "index.faiss"), bytes(data))
        reseal(copy)
        copies.append(copy)
    outcomes = ask_in_a_process(copies)
    assert len(outcomes) == 60
    assert outcomes.count(["error BundleCorruptError"]) >= (20 if kind != "ivf" else 5)  # centroids may be anything


@pytest.mark.parametrize("label", [-2, -(2**63), 14, 2**31, 2**62])
def test_a_label_of_no_row_never_reaches_faiss(root: Path, label: int) -> None:
    """Labels of inverted lists lead into the float16 rows, and FAISS follows them outside the file."""
    path = file_of(root / "ivf", "index.faiss")
    raw = path.read_bytes()
    patch(path, read_frame(memoryview(raw)[:-4]).frame_bytes + 8, "q", label)
    reseal(root / "ivf")
    assert ask(root / "ivf") == ["error BundleCorruptError"]


@pytest.mark.parametrize("value", [0, 1, 0x55, 0xFF])
def test_product_codes_of_any_value_give_candidates_only(root: Path, value: int) -> None:
    """The first pass may be led anywhere; what is found is compared by its float16 row."""
    path = file_of(root / "ivf", "index.faiss")
    raw = path.read_bytes()
    codes = read_frame(memoryview(raw)[:-4]).frame_bytes + 16 + 8 * N_ROWS
    right = ask(root / "ivf")
    replace_bytes(path, raw[:codes] + bytes([value]) * (DIM // 8 * 32) + raw[codes + DIM // 8 * 32 :])
    reseal(root / "ivf")
    assert ask(root / "ivf") == right


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 3e38, 0.0])
def test_numbers_of_the_first_pass_may_be_anything(root: Path, number: float) -> None:
    """Centroids of lists and of codes are not checked: hits, misses, errors; it lives."""
    raw = file_of(root / "ivf", "index.faiss").read_bytes()
    codes = raw.index(b"ilbl") - 4 * 16 * DIM
    for name, start, n, layout in (("lists", 171, DIM, "e"), ("codes", codes, 16 * DIM, "f")):
        copy = shutil.copytree(root / "ivf", root / name)
        small = min(max(number, -65504.0), 65504.0) if layout == "e" else number
        patch(file_of(copy, "index.faiss"), start, f"{n}{layout}", *([small] * n))
        reseal(copy)
    outcomes = ask_in_a_process([root / "lists", root / "codes"])
    assert len(outcomes) == 2
    assert {word.split()[0] for found in outcomes for word in found} <= {"hit", "error", "miss"}


@pytest.mark.parametrize("code", [0x7C00, 0xFC00, 0x7BFF, 0x7E00], ids=["inf", "-inf", "largest", "no number"])
def test_codes_that_no_unit_vector_has_give_no_hit(bundle: Path, code: int) -> None:
    """They are used as they are: a score that cannot be is an error, and no score is a miss."""
    patch(file_of(bundle, "index.faiss"), 81, f"{N_ROWS * DIM}H", *([code] * (N_ROWS * DIM)))
    reseal(bundle)
    found = ask(bundle)
    assert found[0].startswith("hit login/add")
    assert found[2] in ("error BundleCorruptError", "miss below_threshold")


def test_a_flipped_bit_of_a_code_is_said_before_it_moves_a_score(bundle: Path) -> None:
    """By the first lookup that would search. Exact hits need no code; `verify="full"` tells at open."""
    patch(file_of(bundle, "index.faiss"), 81 + 1000, "B", 0xFF)
    with pytest.raises(BundleCorruptError, match=r"index\.faiss: is not the file that was written"):
        Cache.open(bundle, verify="full")
    with Cache.open(bundle) as cache:
        assert cache.lookup("add login page").hit
        for _ in range(2):
            with pytest.raises(BundleCorruptError, match=r"its codes are not the ones that were written"):
                cache.lookup("now add login page")
