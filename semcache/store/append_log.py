"""Lines appended to the files of one folder, by any number of processes, in bounded space.

A file has one writer at a time, who holds a `flock` on it that the system drops when the writer dies: so lines never
mix (appends of several processes to one file only seem atomic: a disk that is full cuts one anywhere, and the next
process goes on in the middle of it), and nobody renames what another one writes. Who begins takes up a file that
nobody holds, or makes a new one; so the files are as many as the processes at a time, plus the full ones.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from semcache.errors import StorageError

LOG_FILES = "traffic-*.jsonl"
_NAME = re.compile(r"traffic-([0-9]{8})\.jsonl")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE, _FOLDER_MODE = 0o600, 0o700
_MOST_TRIES = 1000


class AppendLog:
    """The writing end, for one thread. Opens nothing before the first append."""

    def __init__(self, folder: Path, *, max_file_bytes: int, max_files: int) -> None:
        self._folder = folder
        self._max_file_bytes, self._max_files = max_file_bytes, max_files
        self._descriptor: int | None = None

    def append(self, lines: bytes) -> None:
        """Append whole lines: all of them or, where the system refuses, none.

        Not durable: what was appended survives the death of the process, the last seconds not that of the machine.

        Raises:
            StorageError: the system refuses; the next append tries anew.
        """
        try:
            descriptor = self._writable(len(lines))
            end = os.fstat(descriptor).st_size
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            except OSError:
                with suppress(OSError):  # who takes the file up next ends a line that stays cut off
                    os.ftruncate(descriptor, end)
                self.close()
                raise
        except OSError as error:
            raise StorageError.from_os_error(self._folder, error) from error

    def close(self) -> None:
        """Let go of the file; another process may take it up. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None  # first forgotten: a fork between must not close it twice
        if descriptor is not None:
            os.close(descriptor)

    def _writable(self, n_bytes: int) -> int:
        """Return the file to append to: the one at hand, unless it is full or was removed."""
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
            if status.st_nlink and status.st_size + n_bytes <= self._max_file_bytes:
                return self._descriptor
            self.close()
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        taken = self._take_up(n_bytes)
        self._descriptor = self._create() if taken is None else taken
        return self._descriptor

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _take_up(self, n_bytes: int) -> int | None:
        """Return a file with room that nobody writes, newest first, its last line ended; None where there is none."""
        for path in reversed(self._files()):
            descriptor = _hold(path, _FLAGS)
            if descriptor is None:
                continue
            size = os.fstat(descriptor).st_size
            if size + n_bytes < self._max_file_bytes:
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    os.write(descriptor, b"\n")
                return descriptor
            os.close(descriptor)
        return None

    def _create(self) -> int:
        """Return a new file, and remove the oldest that nobody writes where there are too many now."""
        files = self._files()
        number = int(files[-1].name[8:16]) + 1 if files else 1
        for _ in range(_MOST_TRIES):
            path = self._folder / f"traffic-{number:08d}.jsonl"
            descriptor = None if path.exists() else _hold(path, _FLAGS | os.O_CREAT | os.O_EXCL)
            if descriptor is not None:
                self._remove_oldest(but=path)
                return descriptor
            number += 1
        msg = "other processes take every new file"
        raise OSError(msg)

    def _remove_oldest(self, *, but: Path) -> None:
        files = self._files()
        n_over = len(files) - self._max_files
        for path in sorted((path for path in files if path != but), key=_last_written):
            if n_over <= 0:
                return
            descriptor = _hold(path, _FLAGS)
            if descriptor is not None:
                with suppress(OSError):
                    path.unlink()
                    n_over -= 1
                os.close(descriptor)


def _last_written(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name


def _hold(path: Path, flags: int) -> int | None:
    """Open and lock a file; None where another one holds it, owns it, or has just removed or made it."""
    try:
        descriptor = os.open(path, flags, _MODE)
    except (FileNotFoundError, FileExistsError):
        return None
    except PermissionError:
        if flags & os.O_CREAT:
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
