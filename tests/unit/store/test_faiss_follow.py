from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from semcache.core.vectors import HalfRows, unit_rows
from semcache.errors import BundleCorruptError
from semcache.store.faiss_follow import follow_index
from semcache.store.faiss_index import IndexKind, build_index, trained_frame, write_index

N_ROWS = 1000
Change = Callable[[HalfRows], HalfRows]


def random_rows(n: int, dim: int, *, seed: int) -> HalfRows:
    """Return unit rows as an index keeps them."""
    rows: HalfRows = unit_rows(np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)).astype("<f2")
    return rows


def written(rows: HalfRows, path: Path, *, kind: IndexKind = "ivf", seed: int = 0, trained: bytes = b"") -> bytes:
    """Write an index; return what it was trained to be."""
    write_index(build_index(rows, kind=kind, seed=seed, trained=trained), path)
    return trained_frame(path)


def changed(rows: HalfRows, numbers: list[int]) -> HalfRows:
    """Return rows of which some are other ones."""
    rows = rows.copy()
    rows[numbers] = random_rows(len(numbers), rows.shape[1], seed=9)
    return rows


def dead(rows: HalfRows, numbers: list[int]) -> HalfRows:
    """Return rows of which some are zeros."""
    rows = rows.copy()
    rows[numbers] = 0
    return rows


CHANGES: dict[str, Change] = {
    "none": lambda rows: rows,
    "one more": lambda rows: np.concatenate([rows, random_rows(1, rows.shape[1], seed=1)]),
    "many more": lambda rows: np.concatenate([rows, random_rows(700, rows.shape[1], seed=2)]),
    "some others": lambda rows: changed(rows, [0, 5, 31, 32, 999]),
    "some die": lambda rows: dead(rows, list(range(0, 1000, 7))),
    "all die": lambda rows: dead(rows, list(range(1000))),
    "a night": lambda rows: dead(
        np.concatenate([changed(rows, [3, 4]), random_rows(40, rows.shape[1], seed=3)]), [1, 2, 1005]
    ),
}


@pytest.mark.parametrize("dim", [16, 15, 7])
@pytest.mark.parametrize("change", CHANGES)
def test_the_index_is_to_the_byte_what_is_built_anew(tmp_path: Path, change: str, dim: int) -> None:
    """Whatever came, went or changed, also where a code's parts are an odd number."""
    before = random_rows(N_ROWS, dim, seed=0)
    trained = written(before, tmp_path / "before")
    after = CHANGES[change](before)
    written(after, tmp_path / "anew", trained=trained)
    index = follow_index(tmp_path / "before", after, trained=trained)
    assert index is not None
    write_index(index, tmp_path / "followed")
    assert (tmp_path / "followed").read_bytes() == (tmp_path / "anew").read_bytes()


def test_what_died_can_be_another_row_later(tmp_path: Path) -> None:
    """Its place among the zeros is given up."""
    before = dead(random_rows(N_ROWS, 16, seed=0), [10, 11])
    trained = written(before, tmp_path / "before")
    after = changed(before, [10])
    written(after, tmp_path / "anew", trained=trained)
    write_index(follow_index(tmp_path / "before", after, trained=trained), tmp_path / "followed")
    assert (tmp_path / "followed").read_bytes() == (tmp_path / "anew").read_bytes()


def test_rows_are_indexed_as_float16_has_them(tmp_path: Path) -> None:
    """So one who has the float32 rows, and one who has only what an index keeps, build the same bytes."""
    exact = unit_rows(np.random.default_rng(0).standard_normal((N_ROWS, 16), dtype=np.float32))
    trained = written(random_rows(N_ROWS, 16, seed=5), tmp_path / "trained")
    for kind in ("flat", "ivf", "hnsw"):
        frame = trained if kind == "ivf" else b""
        write_index(build_index(exact, kind=kind, seed=0, trained=frame), tmp_path / "exact")
        write_index(build_index(exact.astype("<f2"), kind=kind, seed=0, trained=frame), tmp_path / "half")
        assert (tmp_path / "exact").read_bytes() == (tmp_path / "half").read_bytes(), kind


@pytest.mark.parametrize(
    ("kind", "dim", "n_rows", "seed"),
    [("flat", 16, 1000, 0), ("hnsw", 16, 1000, 0), ("ivf", 8, 1000, 0), ("ivf", 16, 1001, 0), ("ivf", 16, 1000, 1)],
    ids=["flat", "hnsw", "another dim", "more rows", "another training"],
)
def test_an_index_of_another_sort_is_not_followed(
    tmp_path: Path, kind: IndexKind, dim: int, n_rows: int, seed: int
) -> None:
    """Its codes would mean something else."""
    rows = random_rows(N_ROWS, 16, seed=0)
    trained = written(rows, tmp_path / "own")
    written(random_rows(n_rows, dim, seed=0), tmp_path / "before", kind=kind, seed=seed)
    assert follow_index(tmp_path / "before", rows, trained=trained) is None


def test_what_is_no_index_is_said_to_be_damaged(tmp_path: Path) -> None:
    """Before FAISS reads it."""
    rows = random_rows(N_ROWS, 16, seed=0)
    trained = written(rows, tmp_path / "before")
    (tmp_path / "before").write_bytes((tmp_path / "before").read_bytes()[:-100])
    with pytest.raises(BundleCorruptError, match="before"):
        follow_index(tmp_path / "before", rows, trained=trained)
    with pytest.raises(BundleCorruptError, match=r"index\.frame"):
        follow_index(tmp_path / "before", rows, trained=trained[:-1])
