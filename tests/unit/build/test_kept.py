"""An embedder that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from semcache.build.kept import KeptEmbedder, keeping
from semcache.core.vectors import FloatRows
from semcache.embed.hashing import HashingEmbedder
from semcache.store.lmdb_vectors import VectorStore

TEXTS = ["add a login", "drop the table", "", "add a login", "\ud800 unpaired"]


class Counting(HashingEmbedder):
    """Notes what it is asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Embed, and note."""
        self.asked += texts
        return super().embed(texts)


def test_what_was_embedded_once_is_read(tmp_path: Path) -> None:
    """To the bit, in any order, by the next build as well."""
    plain, first, second = HashingEmbedder(), Counting(), Counting()
    with keeping(first, tmp_path / "e" / "v.mdb") as kept:
        assert np.array_equal(kept.embed(TEXTS), plain.embed(TEXTS))
        assert len(kept.embed([])) == 0
    with keeping(second, tmp_path / "e" / "v.mdb") as kept:
        assert np.array_equal(kept.embed([*TEXTS[::-1], "new"]), plain.embed([*TEXTS[::-1], "new"]))
        assert (kept.fingerprint, kept.dim, kept.max_tokens) == (plain.fingerprint, plain.dim, plain.max_tokens)
        assert kept.count_tokens("add a login") == plain.count_tokens("add a login")
    assert first.asked == TEXTS
    assert second.asked == ["new"]


def test_a_damaged_vector_is_computed_anew(tmp_path: Path) -> None:
    """One flipped bit would move a row of every build to come."""
    path = tmp_path / "v.mdb"
    with keeping(Counting(), path) as kept:
        (vector,) = kept.embed(["add a login"])
    raw = bytearray(path.read_bytes())
    at = raw.find(vector.tobytes())
    raw[at + 1] ^= 1
    path.write_bytes(raw)
    counting = Counting()
    with keeping(counting, path) as kept:
        assert np.array_equal(kept.embed(["add a login"])[0], vector)
    assert counting.asked == ["add a login"]


def test_a_vector_of_another_length_is_computed_anew(tmp_path: Path) -> None:
    """The file is named by the encoder, but nothing rests on that."""
    store = VectorStore(tmp_path / "v.mdb", dim=3)
    store.put([(b"k" * 16, np.ones(3, np.float32))])
    store.close()
    other = VectorStore(tmp_path / "v.mdb", dim=4)
    assert other.get([b"k" * 16]) == [None]
    other.close()


def test_two_builds_of_one_process_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """The second goes without: LMDB may be opened once a process."""
    with keeping(HashingEmbedder(), tmp_path / "v.mdb") as first, keeping(Counting(), tmp_path / "v.mdb") as second:
        assert isinstance(first, KeptEmbedder)
        assert not isinstance(second, KeptEmbedder)


@pytest.mark.parametrize("content", [b"", b"nothing that LMDB knows" * 400])
def test_a_file_that_cannot_be_used_is_gone_without(tmp_path: Path, content: bytes) -> None:
    """It only saves time."""
    path = tmp_path / "v.mdb"
    path.write_bytes(content)
    with keeping(HashingEmbedder(), path) as kept:
        assert np.array_equal(kept.embed(TEXTS), HashingEmbedder().embed(TEXTS))
