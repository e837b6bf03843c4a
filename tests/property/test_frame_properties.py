from __future__ import annotations

import struct
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.core.vectors import unit_rows
from semcache.store.faiss_frame import Frame, FrameError, read_frame
from semcache.store.faiss_index import IndexKind, build_index

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
KINDS: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")
N_ROWS, DIM = 64, 4
NUMBER = st.sampled_from([0, 1, N_ROWS - 1, N_ROWS + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1])
CHANGE = st.tuples(st.floats(0, 1), st.sampled_from(["B", "I", "Q"]), NUMBER | st.integers(0, 255))
"""Where (share of the frame), how wide, and what is put there."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[IndexKind, tuple[bytes, int]]:
    """Give what FAISS writes for each kind, and the length of its frame."""
    vectors = unit_rows(np.random.default_rng(0).standard_normal((N_ROWS, DIM), dtype=np.float32))
    folder: Path = tmp_path_factory.mktemp("frames")
    found: dict[IndexKind, tuple[bytes, int]] = {}
    for kind in KINDS:
        faiss.write_index(build_index(vectors, kind=kind, seed=0), str(folder / kind))
        raw = (folder / kind).read_bytes()
        found[kind] = raw, read_frame(memoryview(raw)).frame_bytes
    return found


def frame_or_none(raw: bytes | bytearray) -> Frame | None:
    """Read a frame; None where it is refused in the one way there is."""
    try:
        return read_frame(memoryview(raw))
    except FrameError:
        return None


@BOUNDED
@given(kind=st.sampled_from(KINDS), changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_a_changed_frame_is_read_or_refused(
    files: dict[IndexKind, tuple[bytes, int]], kind: IndexKind, changes: list[tuple[float, str, int]]
) -> None:
    """No bytes raise anything but FrameError, and what is read fits into the file."""
    original, frame_bytes = files[kind]
    raw = bytearray(original)
    for share, layout, number in changes:
        size = struct.calcsize(layout)
        struct.pack_into("<" + layout, raw, int(share * (frame_bytes - size)), number % 2 ** (8 * size))
    frame = frame_or_none(raw)
    if frame is not None:
        assert 0 < frame.frame_bytes <= len(raw)
        assert frame.n_rows * frame.dim * 2 <= len(raw) - frame.frame_bytes


@BOUNDED
@given(kind=st.sampled_from(KINDS), n=st.integers(0, 1000), tail=st.binary(max_size=50))
def test_a_frame_with_another_tail_is_read_or_refused(
    files: dict[IndexKind, tuple[bytes, int]], kind: IndexKind, n: int, tail: bytes
) -> None:
    """A file cut anywhere, with anything after the cut."""
    raw = files[kind][0][:n] + tail
    frame = frame_or_none(raw)
    assert frame is None or frame.frame_bytes <= len(raw)


@BOUNDED
@given(magic=st.sampled_from([b"IxSQ", b"IxRF", b"IHNs", b""]), tail=st.binary(max_size=400))
def test_foreign_bytes_are_read_or_refused(magic: bytes, tail: bytes) -> None:
    """With a head that looks right, or without."""
    frame = frame_or_none(magic + tail)
    assert frame is None or frame.frame_bytes <= len(magic + tail)
