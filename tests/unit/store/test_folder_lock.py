"""Locks on folders: any number of holders, or one owner."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from semcache.store.lock import LockedError, hold_folder, own_folder


def test_a_held_folder_has_no_owner(tmp_path: Path) -> None:
    """Who holds it keeps it, in this process too."""
    descriptor = hold_folder(tmp_path)
    with pytest.raises(LockedError, match=str(tmp_path)), own_folder(tmp_path):
        pass
    os.close(descriptor)


def test_a_folder_has_many_holders_and_is_free_after_the_last(tmp_path: Path) -> None:
    """Not before."""
    first, second = hold_folder(tmp_path), hold_folder(tmp_path)
    os.close(first)
    with pytest.raises(LockedError), own_folder(tmp_path):
        pass
    os.close(second)
    with own_folder(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_can_be_held(tmp_path: Path) -> None:
    """The lock takes no file of its own."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    descriptor = hold_folder(folder)
    with pytest.raises(LockedError), own_folder(folder):
        pass
    os.close(descriptor)


def test_what_is_no_folder_is_the_systems_error(tmp_path: Path) -> None:
    """Missing, or a file."""
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError):
        hold_folder(tmp_path / "none")
    with pytest.raises(NotADirectoryError):
        hold_folder(tmp_path / "file")


def test_a_folder_that_is_replaced_while_it_is_locked_is_locked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder ends up with the folder that has the name, not with one that was renamed."""
    folder = tmp_path / "version"
    folder.mkdir()
    flock, seen = fcntl.flock, list[int]()

    def replace_first(descriptor: int, operation: int) -> None:
        if not seen:
            folder.rename(tmp_path / "aside")
            folder.mkdir()
        seen.append(operation)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    descriptor = hold_folder(folder)
    monkeypatch.undo()
    assert os.path.samestat(os.fstat(descriptor), folder.stat())
    with own_folder(tmp_path / "aside"), pytest.raises(LockedError), own_folder(folder):
        pass
    os.close(descriptor)


def test_a_folder_that_goes_while_it_is_locked_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not held under a name that nobody looks at."""
    folder = tmp_path / "version"
    folder.mkdir()
    monkeypatch.setattr(fcntl, "flock", lambda *_: shutil.rmtree(folder, ignore_errors=True))
    with pytest.raises(FileNotFoundError):
        hold_folder(folder)
