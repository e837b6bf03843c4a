from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from semcache.store import lmdb_values
from semcache.store.lmdb_values import TableReader, TableWriter, verify_file

Record = tuple[bytes, bytes]
SECRET = b"nobody should read this again"


def records(n: int, sizes: Sequence[int]) -> list[Record]:
    """Make records of random bytes, keys in order."""
    chosen = random.Random(7)
    return [(i.to_bytes(4, "big"), chosen.randbytes(chosen.choice(sizes))) for i in range(n)]


def written(path: Path, tables: dict[str, list[Record]], *, by_turns: bool) -> bytes:
    """Write tables one after the other, or a record of each by turns, and return the file."""
    writer = TableWriter(path.with_suffix(".scratch"), list(tables))
    if by_turns:
        for row in zip(*tables.values(), strict=True):
            for table, (key, payload) in zip(tables, row, strict=True):
                writer.put(table, key, payload)
    else:
        for table, content in tables.items():
            writer.put_all(table, content)
    writer.finish(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "sizes", [(1, 2, 7, 40, 301), (0, 3, 4000, 4100, 9001)], ids=["in leaves", "on pages of their own"]
)
def test_the_bytes_depend_on_the_records_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...]
) -> None:
    """Not on when LMDB committed, nor on the order in which tables were written."""
    tables = {name: records(600, sizes) for name in ("one", "other")}
    found = set[bytes]()
    for i, (commit_every, by_turns) in enumerate([(50_000, False), (50_000, True), (97, False), (97, True)]):
        monkeypatch.setattr(lmdb_values, "_COMMIT_EVERY", commit_every)
        found.add(written(tmp_path / f"{i}.mdb", tables, by_turns=by_turns))
    assert len(found) == 1


def test_every_record_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what no record needs was cleared: each checksum holds."""
    monkeypatch.setattr(lmdb_values, "_COMMIT_EVERY", 97)
    content = records(600, (0, 1, 2, 40, 301, 9001))
    written(tmp_path / "v.mdb", {"one": content}, by_turns=False)
    assert verify_file(tmp_path / "v.mdb") == []
    reader = TableReader(tmp_path / "v.mdb", ("one",))
    assert [(key, bytes(reader.need("one", key))) for key, _ in content] == content


def test_nothing_is_left_of_other_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that stands in one record is in the file once, wherever LMDB moved it."""
    monkeypatch.setattr(lmdb_values, "_COMMIT_EVERY", 5)
    content = [(i.to_bytes(4, "big"), SECRET + str(i).encode() * 3) for i in range(400)]
    raw = written(tmp_path / "v.mdb", {"one": content}, by_turns=False)
    assert raw.count(SECRET) == 400
