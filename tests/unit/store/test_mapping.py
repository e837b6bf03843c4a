from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from semcache.store import mapping
from semcache.store.mapping import map_file, prefault, read_ahead


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file of 100,000 bytes."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(250)) * 400)
    return file


def test_a_map_shows_the_files_bytes(path: Path) -> None:
    """The whole file, from its first byte to its last."""
    assert map_file(path)[:] == bytes(range(250)) * 400


def test_a_map_cannot_be_written(path: Path) -> None:
    """Every process sees the same pages, so none may change them."""
    with pytest.raises(TypeError):
        map_file(path)[0] = 1


def test_a_map_outlives_the_name_of_its_file(path: Path) -> None:
    """A version may be deleted while a value of it is still held."""
    view = memoryview(map_file(path))
    path.unlink()
    assert view[249] == 249


def test_an_empty_file_is_a_value_error(tmp_path: Path) -> None:
    """An empty file cannot be mapped; it is told apart from one that cannot be read."""
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        map_file(tmp_path / "empty")


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    """The caller translates it, with the path."""
    with pytest.raises(FileNotFoundError):
        map_file(tmp_path / "none")


def test_prefault_changes_nothing(path: Path) -> None:
    """It only brings pages in."""
    view = map_file(path)
    prefault(view)
    assert view[:] == path.read_bytes()


def test_prefault_reads_the_map_where_the_system_cannot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older kernels refuse the advice: every block is touched instead, to the last byte."""
    monkeypatch.setattr(mapping, "_READ_BLOCK_BYTES", 30_000)
    touched: list[int] = []

    class Refusing(mmap.mmap):
        def madvise(self, *_: object) -> None:
            raise OSError(22, os.strerror(22))

        def __getitem__(self, part: object) -> bytes:  # type: ignore[override]
            block: bytes = super().__getitem__(part)  # type: ignore[call-overload]
            touched.append(len(block))
            return block

    with path.open("rb") as file:
        prefault(Refusing(file.fileno(), 0, access=mmap.ACCESS_READ))
    assert touched == [30_000, 30_000, 30_000, 10_000]


def test_read_ahead_of_a_missing_file_says_nothing(tmp_path: Path) -> None:
    """It is only a hint: whoever reads the file is told."""
    read_ahead(tmp_path / "none")
    assert not (tmp_path / "none").exists()
