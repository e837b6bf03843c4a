from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semcache.bundle.arrays import load_array, save_array
from semcache.bundle.layout import ENTRY_DTYPE, ROW_DTYPE
from semcache.errors import BundleCorruptError, StorageError

ROWS = np.array([0, 1, -1], dtype=ROW_DTYPE)


@pytest.mark.parametrize(
    "values",
    [
        ROWS,
        np.zeros(0, dtype=ROW_DTYPE),
        np.array([(1, 2, 3), (4, 5, -6)], dtype=ENTRY_DTYPE),
        np.arange(6, dtype="<f4").reshape(2, 3),
    ],
)
def test_an_array_survives_the_round_trip(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    """Of each kind that a bundle holds, empty too."""
    save_array(tmp_path / "a.npy", values)
    loaded = load_array(tmp_path / "a.npy", dtype=values.dtype, shape=values.shape)
    assert (loaded.dtype, loaded.tolist()) == (values.dtype, values.tolist())


def test_an_array_is_what_numpy_reads(tmp_path: Path) -> None:
    """Any tool can open it."""
    save_array(tmp_path / "a.npy", ROWS)
    assert np.load(tmp_path / "a.npy", allow_pickle=False).tolist() == [0, 1, -1]


def test_an_array_is_mapped_read_only(tmp_path: Path) -> None:
    """Its pages are shared with every process."""
    save_array(tmp_path / "a.npy", ROWS)
    loaded = load_array(tmp_path / "a.npy", dtype=ROW_DTYPE, shape=(3,))
    assert not loaded.flags.writeable
    assert not loaded.flags.owndata


@pytest.mark.parametrize(
    ("dtype", "shape"), [("<i4", (2,)), ("<i4", (4,)), ("<i4", (3, 1)), ("<u4", (3,)), (">i4", (3,)), ("<i8", (3,))]
)
def test_an_array_of_another_type_or_shape_is_corrupt(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """The manifest says what it must be."""
    save_array(tmp_path / "a.npy", ROWS)
    with pytest.raises(BundleCorruptError, match=r"a\.npy: holds "):
        load_array(tmp_path / "a.npy", dtype=np.dtype(dtype), shape=shape)


def test_an_array_cut_short_or_too_long_is_corrupt(tmp_path: Path) -> None:
    """To the byte."""
    save_array(tmp_path / "a.npy", ROWS)
    raw = (tmp_path / "a.npy").read_bytes()
    for content in (*(raw[:n] for n in range(len(raw))), raw + b"\0"):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(BundleCorruptError, match=r"a\.npy: "):
            load_array(tmp_path / "a.npy", dtype=ROW_DTYPE, shape=(3,))


def test_a_changed_head_is_corrupt_or_the_same_array(tmp_path: Path) -> None:
    """No byte of it changes how the numbers are read."""
    save_array(tmp_path / "a.npy", ROWS)
    raw = (tmp_path / "a.npy").read_bytes()
    n_refused = 0
    for place in range(len(raw) - ROWS.nbytes):
        (tmp_path / "a.npy").write_bytes(raw[:place] + bytes([raw[place] ^ 0x20]) + raw[place + 1 :])
        try:
            assert load_array(tmp_path / "a.npy", dtype=ROW_DTYPE, shape=(3,)).tolist() == [0, 1, -1]
        except BundleCorruptError:
            n_refused += 1
    assert n_refused > 60


def test_a_pickle_is_corrupt(tmp_path: Path) -> None:
    """Nothing in an array is ever run."""
    np.save(tmp_path / "a.npy", np.array([None, None, None]), allow_pickle=True)
    with pytest.raises(BundleCorruptError, match=r"a\.npy: holds "):
        load_array(tmp_path / "a.npy", dtype=ROW_DTYPE, shape=(3,))


def test_a_missing_array_is_a_storage_error(tmp_path: Path) -> None:
    """With the path and what the system says."""
    with pytest.raises(StorageError, match=r"a\.npy: No such file or directory$"):
        load_array(tmp_path / "a.npy", dtype=ROW_DTYPE, shape=(3,))


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(StorageError, match=r"none/a\.npy: No such file or directory$"):
        save_array(tmp_path / "none" / "a.npy", ROWS)
