from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from semcache.errors import StorageError
from semcache.store.append_log import AppendLog

LINE = b"x" * 29_999 + b"\n"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[AppendLog]]:
    """Give three logs of one folder, as three processes have them: files of 65,536 bytes, at most three."""
    found = [AppendLog(tmp_path / "log", max_file_bytes=65_536, max_files=3) for _ in range(3)]
    yield found
    for log in found:
        log.close()


def sizes(tmp_path: Path) -> dict[str, int]:
    """Give the sizes of the files that there are."""
    return {path.name: path.stat().st_size for path in sorted((tmp_path / "log").iterdir())}


def test_nothing_is_made_before_the_first_line(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Who only opens leaves no trace."""
    logs[0].close()
    assert not (tmp_path / "log").exists()


def test_only_the_owner_may_read(tmp_path: Path, logs: list[AppendLog]) -> None:
    """The folder and the files, whatever the umask is."""
    before = os.umask(0)
    try:
        logs[0].append(b"a\n")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "log", tmp_path / "log" / "traffic-00000001.jsonl")]
    assert modes == [0o700, 0o600]


def test_writers_have_a_file_each(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Lines of two never stand in one another."""
    for log in (*logs, *logs):
        log.append(b"a\n")
    assert sizes(tmp_path) == {f"traffic-{i:08d}.jsonl": 4 for i in (1, 2, 3)}


def test_a_file_that_nobody_writes_is_taken_up(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Many short processes make few files."""
    for _ in range(20):
        logs[0].append(b"a\n")
        logs[0].close()
        logs[1].append(b"b\n")
        logs[1].close()
    assert sizes(tmp_path) == {"traffic-00000001.jsonl": 80}


def test_a_line_that_was_cut_off_is_ended(tmp_path: Path, logs: list[AppendLog]) -> None:
    """What a killed process left does not swallow the next line."""
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / "traffic-00000007.jsonl"
    path.write_bytes(b'whole\n{"cut')
    logs[0].append(b"next\n")
    assert path.read_bytes() == b'whole\n{"cut\nnext\n'


def test_a_full_file_is_left_and_the_oldest_removed(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Three files of two lines each stay of eleven lines."""
    for _ in range(11):
        logs[0].append(LINE)
    assert sizes(tmp_path) == {
        "traffic-00000004.jsonl": 60_000,
        "traffic-00000005.jsonl": 60_000,
        "traffic-00000006.jsonl": 30_000,
    }


def test_the_oldest_is_the_one_last_written_first(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Whatever its number is."""
    (tmp_path / "log").mkdir()
    for number, moment in ((1, 300), (2, 100), (3, 200)):
        path = tmp_path / "log" / f"traffic-{number:08d}.jsonl"
        path.write_bytes(LINE + LINE)
        os.utime(path, (moment, moment))
    logs[0].append(LINE)
    assert list(sizes(tmp_path)) == ["traffic-00000001.jsonl", "traffic-00000003.jsonl", "traffic-00000004.jsonl"]


def test_a_file_that_is_written_is_never_removed(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Nor one that is none of the log's."""
    logs[0].append(b"a\n")
    (tmp_path / "log" / "notes.txt").write_text("mine")
    for _ in range(20):
        logs[1].append(LINE)
    assert set(sizes(tmp_path)) >= {"traffic-00000001.jsonl", "notes.txt"}
    assert len(sizes(tmp_path)) == 4


def test_who_removes_the_files_gets_new_ones(tmp_path: Path, logs: list[AppendLog]) -> None:
    """A writer notices that its file has gone."""
    logs[0].append(b"a\n")
    (tmp_path / "log" / "traffic-00000001.jsonl").unlink()
    logs[0].append(b"b\n")
    assert (tmp_path / "log" / "traffic-00000001.jsonl").read_bytes() == b"b\n"


def test_a_file_removed_while_it_is_taken_up_is_not_written(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Between opening it and locking it another process may remove it."""
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / "traffic-00000001.jsonl"
    path.touch()
    lock, is_first = fcntl.flock, iter([True])

    def remove_first(descriptor: int, how: int) -> None:
        if next(is_first, False):
            path.unlink()
        lock(descriptor, how)

    with mock.patch("fcntl.flock", remove_first):
        logs[0].append(b"a\n")
    assert list(sizes(tmp_path).values()) == [2]


def test_an_append_is_whole_or_nothing(tmp_path: Path, logs: list[AppendLog]) -> None:
    """A disk that is full in the middle of a line leaves none of it."""
    logs[0].append(b"first\n")
    write = os.write

    def half_then_full(descriptor: int, data: bytes) -> int:
        if len(data) < 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:5])

    with mock.patch("os.write", half_then_full), pytest.raises(StorageError, match="free some space"):
        logs[0].append(b"second\nthird\n")
    logs[0].append(b"fourth\n")
    assert (tmp_path / "log" / "traffic-00000001.jsonl").read_bytes() == b"first\nfourth\n"


def test_a_place_where_no_folder_can_be_says_so(tmp_path: Path) -> None:
    """With the folder."""
    (tmp_path / "file").touch()
    log = AppendLog(tmp_path / "file" / "log", max_file_bytes=65_536, max_files=3)
    with pytest.raises(StorageError, match="file/log: Not a directory"):
        log.append(b"a\n")


def test_links_are_not_followed(tmp_path: Path, logs: list[AppendLog]) -> None:
    """Nobody gets lines written into a file of his choice."""
    (tmp_path / "log").mkdir()
    (tmp_path / "victim").touch()
    (tmp_path / "log" / "traffic-00000001.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        logs[0].append(b"a\n")
    assert (tmp_path / "victim").read_bytes() == b""
