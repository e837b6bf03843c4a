from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.store.lmdb_pages import PageError, check_pages
from semcache.store.lmdb_values import TableWriter

BOUNDED = settings(max_examples=150, deadline=None, derandomize=True, database=None)
PAGE = 4096
NUMBER = st.sampled_from([0, 1, 2, 3, 16, PAGE - 8, PAGE, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**48, 2**63, 2**64 - 1])
CHANGE = st.tuples(st.integers(0, 40), st.integers(0, 120) | st.integers(0, PAGE - 8), st.sampled_from("BHIQ"), NUMBER)
"""Page, place in it (mostly its head), how wide, and what is put there."""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give a file with branches, leaves and large records."""
    folder: Path = tmp_path_factory.mktemp("pages")
    writer = TableWriter(folder / "scratch", ["one", "other"])
    for i in range(500):
        writer.put("one", struct.pack(">I", i), bytes(20))
    writer.put("other", b"big", bytes(10_000))
    writer.finish(folder / "sealed")
    return (folder / "sealed").read_bytes()


@BOUNDED
@given(changes=st.lists(CHANGE, min_size=1, max_size=3))
def test_changed_pages_are_sound_or_refused(sealed: bytes, changes: list[tuple[int, int, str, int]]) -> None:
    """Nothing but PageError is raised, however the numbers lead astray; what is sound has its meta pages."""
    raw = bytearray(sealed)
    for page, place, layout, number in changes:
        size = struct.calcsize(layout)
        at = page % (len(raw) // PAGE) * PAGE + place
        struct.pack_into("<" + layout, raw, at, number % 2 ** (8 * size))
    try:
        check_pages(memoryview(raw))
    except PageError:
        return
    assert raw[16:24] == raw[PAGE + 16 : PAGE + 24] == sealed[16:24]


@BOUNDED
@given(n=st.integers(0, 6 * PAGE), tail=st.binary(max_size=100))
def test_a_file_with_another_end_is_refused(sealed: bytes, n: int, tail: bytes) -> None:
    """Cut anywhere, with anything after the cut."""
    with pytest.raises(PageError):
        check_pages(memoryview(sealed[:n] + tail))
