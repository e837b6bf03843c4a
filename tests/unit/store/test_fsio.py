from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from semcache.store.fsio import FileSystem, publish_dir, replace_file


class RecordingFileSystem(FileSystem):
    """Does every step and notes it; can fail at one."""

    def __init__(self, *, fail_at: str = "") -> None:
        self.steps: list[str] = []
        self._fail_at = fail_at

    def _note(self, step: str, *paths: Path) -> None:
        self.steps.append(" ".join([step, *(path.name for path in paths)]))
        if self._fail_at in {step, self.steps[-1]}:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Note and write."""
        self._note("write", path)
        super().write_bytes(path, data)

    def sync_file(self, path: Path) -> None:
        """Note and sync."""
        self._note("sync_file", path)
        super().sync_file(path)

    def sync_dir(self, path: Path) -> None:
        """Note and sync."""
        self._note("sync_dir", path)
        super().sync_dir(path)

    def rename(self, source: Path, target: Path) -> None:
        """Note and rename."""
        self._note("rename", source, target)
        super().rename(source, target)

    def remove_tree(self, path: Path) -> None:
        """Note and remove."""
        self._note("remove_tree", path)
        super().remove_tree(path)

    def replace(self, source: Path, target: Path) -> None:
        """Note and replace."""
        self._note("replace", source, target)
        super().replace(source, target)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """Give a finished folder with two files."""
    folder = tmp_path / "versions" / "staged"
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"two")
    (folder / "a").write_bytes(b"one")
    return folder


def test_publish_syncs_files_then_folder_then_name(staged: Path) -> None:
    """The name appears only after everything under it is durable, and is made durable last."""
    fs = RecordingFileSystem()
    publish_dir(fs, staged, staged.with_name("final"))
    assert fs.steps == ["sync_file a", "sync_file b", "sync_dir staged", "rename staged final", "sync_dir versions"]


def test_publish_moves_the_whole_folder(staged: Path) -> None:
    """The files stand under the final name and no longer under the staged one."""
    target = staged.with_name("final")
    publish_dir(FileSystem(), staged, target)
    assert [(path.name, path.read_bytes()) for path in sorted(target.iterdir())] == [("a", b"one"), ("b", b"two")]
    assert not staged.exists()


@pytest.mark.parametrize("step", ["sync_file", "sync_dir", "rename"])
def test_publish_that_fails_before_the_rename_leaves_no_final_name(staged: Path, step: str) -> None:
    """A reader never sees half a folder."""
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        publish_dir(RecordingFileSystem(fail_at=step), staged, staged.with_name("final"))
    assert sorted(path.name for path in staged.parent.iterdir()) == ["staged"]


@pytest.fixture
def damaged(staged: Path) -> Path:
    """Give a damaged folder that has the final name already."""
    folder = staged.with_name("final")
    folder.mkdir()
    (folder / "a").write_bytes(b"damaged")
    return folder


def test_publish_puts_a_damaged_folder_aside_and_deletes_it(staged: Path, damaged: Path) -> None:
    """Only when the whole one is ready to take its name, and durable."""
    fs = RecordingFileSystem()
    publish_dir(fs, staged, damaged, aside=staged.with_name("aside"))
    assert fs.steps[2:] == [
        "sync_dir staged",
        "rename final aside",
        "rename staged final",
        "sync_dir versions",
        "remove_tree aside",
    ]
    assert [path.name for path in staged.parent.iterdir()] == ["final"]
    assert (damaged / "a").read_bytes() == b"one"


@pytest.mark.parametrize("step", ["sync_file", "sync_dir", "rename final aside", "rename staged final"])
def test_publish_that_fails_puts_a_damaged_folder_back(staged: Path, damaged: Path, step: str) -> None:
    """It still answers some questions."""
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        publish_dir(RecordingFileSystem(fail_at=step), staged, damaged, aside=staged.with_name("aside"))
    assert (damaged / "a").read_bytes() == b"damaged"


def test_publish_is_done_even_if_the_damaged_folder_stays(staged: Path, damaged: Path) -> None:
    """The next build clears it."""
    publish_dir(RecordingFileSystem(fail_at="remove_tree"), staged, damaged, aside=staged.with_name("aside"))
    assert (damaged / "a").read_bytes() == b"one"


def test_replace_syncs_the_new_file_before_it_takes_the_name(tmp_path: Path) -> None:
    """A crash leaves the old content or the new one, never an empty file."""
    fs = RecordingFileSystem()
    replace_file(fs, tmp_path / "CURRENT", b"new")
    assert fs.steps == [
        "write CURRENT.new",
        "sync_file CURRENT.new",
        "replace CURRENT.new CURRENT",
        f"sync_dir {tmp_path.name}",
    ]


def test_replace_gives_the_new_content(tmp_path: Path) -> None:
    """The old content is gone, and so is the staged file."""
    (tmp_path / "CURRENT").write_bytes(b"old")
    replace_file(FileSystem(), tmp_path / "CURRENT", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("CURRENT", b"new")]


@pytest.mark.parametrize("step", ["write", "sync_file", "replace"])
def test_replace_that_fails_keeps_the_old_content(tmp_path: Path, step: str) -> None:
    """What was live stays live, and nothing is left beside it."""
    (tmp_path / "CURRENT").write_bytes(b"old")
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        replace_file(RecordingFileSystem(fail_at=step), tmp_path / "CURRENT", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("CURRENT", b"old")]


@pytest.mark.parametrize("step", ["sync_file", "sync_dir"])
def test_a_sync_reaches_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Each sync is one fsync of exactly that file or folder."""
    path = tmp_path / "x"
    path.mkdir() if step == "sync_dir" else path.touch()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    getattr(FileSystem(), step)(path)
    assert synced == [path.stat().st_ino]


def test_a_sync_closes_what_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that fails leaves no descriptor behind."""
    opened: list[int] = []

    def fail(descriptor: int) -> None:
        opened.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        FileSystem().sync_dir(tmp_path)
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        os.fstat(opened[0])


def test_make_dir_makes_parents_and_keeps_what_is_there(tmp_path: Path) -> None:
    """Called twice, it changes nothing."""
    folder = tmp_path / "a" / "b"
    FileSystem().make_dir(folder)
    (folder / "file").touch()
    FileSystem().make_dir(folder)
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_make_dir_makes_every_new_name_durable(tmp_path: Path) -> None:
    """Each folder above a new one is synced, from the top; where nothing is new, nothing is."""
    fs = RecordingFileSystem()
    fs.make_dir(tmp_path / "a" / "b")
    fs.make_dir(tmp_path / "a" / "b")
    assert fs.steps == [f"sync_dir {tmp_path.name}", "sync_dir a"]


def test_remove_tree_deletes_a_folder_with_its_content(staged: Path) -> None:
    """Nothing of it is left."""
    FileSystem().remove_tree(staged)
    assert not staged.exists()


def test_remove_file_deletes_one_file(staged: Path) -> None:
    """And only that one."""
    FileSystem().remove_file(staged / "a")
    assert [path.name for path in staged.iterdir()] == ["b"]


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    """From its first byte on, and it never takes the place of another file."""
    path = tmp_path / "key.pem"
    FileSystem().write_secret(path, b"secret")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"secret", 0o600)
    with pytest.raises(FileExistsError):
        FileSystem().write_secret(path, b"another")
    assert path.read_bytes() == b"secret"
