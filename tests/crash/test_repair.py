"""A build repairs what is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_corpora import NEW, NEW_CORPUS, OLD_CORPUS, answers, build_pairs, debris, problems


@pytest.mark.parametrize(
    "file", ["manifest.json", "index.faiss", "values.mdb", "rows.npy", "entries.npy", "probes.npy"]
)
def test_a_damaged_live_version_is_replaced_by_building_it_again(tmp_path: Path, file: str) -> None:
    """One wrong byte in any file: the same corpus gives the same id, and the bundle is sound again."""
    root = tmp_path / "indexes"
    first = build_pairs(root, NEW_CORPUS)
    path = first.path / file
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert problems(root) != []
    second = build_pairs(root, NEW_CORPUS)
    assert (second.id, second.is_new) == (first.id, True)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


def test_a_version_that_lost_a_file_is_replaced(tmp_path: Path) -> None:
    """A missing file is damage like any other."""
    root = tmp_path / "indexes"
    first = build_pairs(root, NEW_CORPUS)
    (first.path / "values.mdb").unlink()
    second = build_pairs(root, NEW_CORPUS)
    assert (second.id, second.is_new) == (first.id, True)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


def test_a_sound_version_is_kept_as_it_is(tmp_path: Path) -> None:
    """The same content again changes no byte of the version, and is reported as not new."""
    root = tmp_path / "indexes"
    first = build_pairs(root, NEW_CORPUS)
    inode = (first.path / "values.mdb").stat().st_ino
    second = build_pairs(root, NEW_CORPUS)
    assert (second.id, second.is_new) == (first.id, False)
    assert (first.path / "values.mdb").stat().st_ino == inode
    assert (answers(root), debris(root)) == (NEW, [])


def test_a_damaged_encoder_is_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The encoder beside the bundles is held against its digest by every build."""
    root = tmp_path / "indexes"
    build_pairs(root, OLD_CORPUS)
    (path,) = root.glob("encoders/*/encoder.json")
    path.write_bytes(b"{}")
    assert problems(root) != []
    build_pairs(root, NEW_CORPUS)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])
