"""Says that this process has a version open, so that nobody removes it.

A lease is a shared flock on the version's folder: it takes no file and no permission to write, and the system drops it
with the process. It keeps what is opened late, above all the encoder; what is mapped outlives its file anyway.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from pathlib import Path

from semcache.errors import StorageError
from semcache.store.lock import LockedError, hold_folder, own_folder


class Lease:
    """Holds a version from here until it is garbage. Where the system has no such lock, it holds nothing."""

    __slots__ = ("__weakref__", "_descriptor")

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        with suppress(OSError):  # who opens the version says what is wrong with its folder
            self._descriptor = hold_folder(folder)
        _leases.add(self)

    def __del__(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Let go. In a forked child this leaves the parent its lease."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Say whether any process, this one too, has a version open.

    Raises:
        StorageError: the system does not let us look.
    """
    try:
        with own_folder(folder):
            return False
    except LockedError:
        return True
    except OSError as error:
        raise StorageError.from_os_error(folder, error) from error


_leases: weakref.WeakSet[Lease] = weakref.WeakSet()


def _drop_in_child() -> None:
    """After fork: a child cannot use what its parent opened, and must not hold it."""
    for lease in list(_leases):
        lease.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_in_child)
