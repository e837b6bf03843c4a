"""One writer at a time, or any number of holders: advisory locks that the operating system drops with their holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(Exception):
    """Somebody else holds the lock."""


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs; the file stays.

    Args:
        path: the file; created where it is missing.
        wait: wait for another holder to let go.

    Raises:
        LockedError: it is held elsewhere and `wait` is False.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise LockedError(path) from error
        yield
    finally:
        os.close(descriptor)


def hold_folder(folder: Path) -> int:
    """Hold a shared lock on a folder, and return the descriptor that has to be closed to let go of it.

    It takes no more than permission to read, so a read-only file system will do.

    Raises:
        OSError: there is no such folder, or it cannot be opened or locked.
    """
    while True:
        descriptor = _open_folder(folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor  # else it was replaced before it was locked
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder while the block runs.

    Raises:
        LockedError: somebody holds it.
        OSError: there is no such folder, or it cannot be opened or locked.
    """
    descriptor = _open_folder(folder)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(folder) from error
        yield
    finally:
        os.close(descriptor)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
