from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from semcache.store.lock import LockedError, exclusive_lock

HOLDER = """
import sys
from pathlib import Path
from semcache.store.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_held_lock_is_refused_at_once(tmp_path: Path) -> None:
    """One writer at a time; the second is told, with the file."""
    path = tmp_path / "lock"
    with exclusive_lock(path), pytest.raises(LockedError, match=str(path)), exclusive_lock(path):
        pass


def test_a_lock_is_free_after_its_block(tmp_path: Path) -> None:
    """Released at the end."""
    path = tmp_path / "lock"
    with exclusive_lock(path):
        pass
    with exclusive_lock(path):
        assert path.exists()


def test_a_lock_is_free_after_an_error_in_its_block(tmp_path: Path) -> None:
    """Released on the way out, whatever happened."""
    path = tmp_path / "lock"
    with pytest.raises(KeyError), exclusive_lock(path):
        raise KeyError
    with exclusive_lock(path):
        assert path.exists()


def test_a_refused_lock_leaves_the_holder_its_lock(tmp_path: Path) -> None:
    """Closing the second descriptor does not release the first one's lock."""
    path = tmp_path / "lock"
    with exclusive_lock(path):
        for _ in range(2):
            with pytest.raises(LockedError), exclusive_lock(path):
                pass


def test_two_files_are_two_locks(tmp_path: Path) -> None:
    """Builds of two names do not wait for each other."""
    with exclusive_lock(tmp_path / "one"), exclusive_lock(tmp_path / "other"):
        assert (tmp_path / "other").exists()


def test_the_lock_file_stays(tmp_path: Path) -> None:
    """Deleting it would let two holders in, one on each file."""
    with exclusive_lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").exists()


@pytest.mark.parametrize(("wait", "flags"), [(False, fcntl.LOCK_EX | fcntl.LOCK_NB), (True, fcntl.LOCK_EX)])
def test_waiting_is_left_to_the_system(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait: bool,  # noqa: FBT001 - the parameter under test
    flags: int,
) -> None:
    """With `wait` the call blocks until the lock is free; without, it does not block."""
    asked: list[int] = []
    monkeypatch.setattr(fcntl, "flock", lambda _, operation: asked.append(operation))
    with exclusive_lock(tmp_path / "lock", wait=wait):
        pass
    assert asked == [flags]


def test_a_folder_that_is_missing_is_the_systems_error(tmp_path: Path) -> None:
    """It is not reported as a lock that somebody holds."""
    with pytest.raises(FileNotFoundError), exclusive_lock(tmp_path / "none" / "lock"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The operating system drops it, so that a crash never blocks the next build."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError), exclusive_lock(path):
            pass
        holder.kill()
        holder.wait()
        with exclusive_lock(path):
            assert holder.returncode == -9
