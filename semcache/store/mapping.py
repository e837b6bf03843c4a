"""Files mapped read-only into memory: shared pages, one copy for every process."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path

_MADV_POPULATE_READ = 22  # Linux 5.14; not in the mmap module of Python 3.11
_READ_BLOCK_BYTES = 8 << 20


def map_file(path: Path) -> mmap.mmap:
    """Map a whole file read-only. The map lives for as long as any view of it.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def prefault(view: mmap.mmap) -> None:
    """Bring every page of a map in, so that no lookup waits for the disk.

    Linux does it in one call; elsewhere each page is touched by reading the map once.
    """
    try:
        view.madvise(_MADV_POPULATE_READ)
    except (OSError, ValueError, AttributeError):
        for start in range(0, len(view), _READ_BLOCK_BYTES):
            view[start : start + _READ_BLOCK_BYTES]


def read_ahead(path: Path) -> None:
    """Ask the system to bring a file into the page cache, without waiting for it. Only a hint: nothing is raised."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
