from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shared import ENTRIES

from semcache import BuildReport, OpenConfig
from semcache.bundle.columns import VersionColumns, pack_items, unpack_items
from semcache.bundle.locate import locate
from semcache.bundle.reader import VersionReader


def columns_of(bundle_dir: Path) -> VersionColumns:
    """Return the columns of a bundle's live version."""
    location = locate(bundle_dir, root=bundle_dir.parent)
    return VersionColumns(VersionReader(location, location.live_id(), OpenConfig()))


def test_items_come_out_of_their_piece() -> None:
    """Empty ones too; the sizes stand before the bytes."""
    piece = pack_items([b"ab", b"", b"c"])
    assert piece == b"\x02\0\0\0\0\0\0\0\x01\0\0\0abc"
    assert list(unpack_items(piece, 3)) == [b"ab", b"", b"c"]


@pytest.mark.parametrize(
    ("piece", "n"),
    [(b"", 1), (b"\x02\0\0\0a", 1), (b"\x01\0\0\0ab", 1), (b"\xff\xff\xff\xff", 1), (b"\x01\0\0\0a", 2), (b"a", 0)],
)
def test_what_is_no_piece_is_refused(piece: bytes, n: int) -> None:
    """Too short, too long, of another number of items."""
    with pytest.raises(ValueError, match=f"^{len(piece)} bytes are no piece of {n} items$"):
        list(unpack_items(piece, n))


def test_every_number_has_an_item(bundle_dir: Path) -> None:
    """Rows, entries and answers as the version counts them."""
    columns = columns_of(bundle_dir)
    names = ("variants", "vectors", "words", "entries", "answers")
    assert [columns.n_items(name) for name in names] == [11, 11, 11, 5, 5]


def test_vectors_are_float16_rows_and_words_uint16_ones(bundle_dir: Path) -> None:
    """Of the numbers that were asked for."""
    columns = columns_of(bundle_dir)
    vectors = np.frombuffer(columns.raw("vectors", 2, 5), "<f2").reshape(3, -1)
    assert np.abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1).max() < 1e-2
    assert len(columns.raw("words", 2, 5)) == 3 * 16 * 2


def test_a_dead_item_is_empty(bundle_dir: Path, build: Callable[..., BuildReport]) -> None:
    """The others keep their numbers, and agree with what they were."""
    before = columns_of(bundle_dir)
    old = before.raw("entries", 0, 5)
    build([entry for entry in ENTRIES if entry["id"] != "db/old"])
    after = columns_of(bundle_dir)
    items = list(unpack_items(after.raw("entries", 0, 5), 5))
    assert [bool(item) for item in items] == [True, True, False, True, True]
    assert after.agrees("entries", 0, 5, old)
    assert not before.agrees("entries", 0, 5, after.raw("entries", 0, 5))


def test_a_changed_item_does_not_agree(bundle_dir: Path) -> None:
    """One is enough."""
    columns = columns_of(bundle_dir)
    items = list(unpack_items(columns.raw("answers", 0, 5), 5))
    assert columns.agrees("answers", 0, 5, pack_items(items))
    assert not columns.agrees("answers", 0, 5, pack_items([*items[:4], items[4] + b"!"]))
