"""A chunk that is being loaded: a file that one loader at a time appends to, and that gets its name when it is right.

The loader holds a lock on the file, which the system drops when the loader dies: the next one goes on where it ended.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from semcache.core.chunk import ChunkRef
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError

PART_SUFFIX = ".part"
_BLOCK_BYTES = 1 << 20
_HEAD_BYTES = 512


class ChunkPart:
    """What of a chunk is on the disk so far. Every method raises OSError as the system does.

    Attributes:
        is_finished: it has its name.
        is_resumed: its bytes are not all of one load, so that a load from the start may mend it.
    """

    def __init__(self, ref: ChunkRef, descriptor: int, path: Path, *, target: Path, fs: FileSystem) -> None:
        self.ref, self.path = ref, path
        self.is_finished = False
        self._descriptor, self._target, self._fs = descriptor, target, fs
        self.is_resumed = self.size_bytes > 0

    @property
    def size_bytes(self) -> int:
        """How much is there."""
        return os.fstat(self._descriptor).st_size

    def append(self, block: bytes) -> None:
        """Add bytes at the end."""
        view = memoryview(block)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def restart(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)  # what is appended next stands at the start
        self.is_resumed = False

    def finish(self) -> bool:
        """Give the chunk its name, durably, where its bytes are right; return whether they are."""
        if self.size_bytes != self.ref.size_bytes or self._sha256() != self.ref.sha256:
            return False
        self._fs.sync_file(self.path)
        self._fs.replace(self.path, self._target)
        self._fs.sync_dir(self._target.parent)
        self.is_finished = True
        return True

    def head(self) -> bytes:
        """Return its first bytes, to tell what was sent instead of a chunk."""
        return os.pread(self._descriptor, _HEAD_BYTES, 0)

    def _sha256(self) -> str:
        digest, offset = sha256(), 0
        while block := os.pread(self._descriptor, _BLOCK_BYTES, offset):
            digest.update(block)
            offset += len(block)
        return digest.hexdigest()


@contextmanager
def open_part(ref: ChunkRef, target: Path, *, fs: FileSystem, is_private: bool) -> Iterator[ChunkPart]:
    """Hold a chunk's part while the block runs.

    Args:
        ref: the chunk.
        target: the file that it becomes; its folder is there.
        fs: makes it durable.
        is_private: a new part that nobody else goes on with, deleted where it is not finished.

    Raises:
        LockedError: somebody else holds it; never for a private one.
        OSError: as the system does.
    """
    own = f".{secrets.token_hex(8)}" if is_private else ""
    path = target.with_name(f"{target.name}{own}{PART_SUFFIX}")
    descriptor = take_part(path)
    part = ChunkPart(ref, descriptor, path, target=target, fs=fs)
    try:
        yield part
    finally:
        if not part.is_finished and (is_private or part.size_bytes == 0):
            with suppress(OSError):  # the reason why we are here matters more
                fs.remove_file(path)
        os.close(descriptor)


def take_part(path: Path) -> int:
    """Open and lock a part's file, made where it is missing; return its descriptor, which holds the lock.

    Raises:
        LockedError: somebody else holds it.
        OSError: as the system does.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise LockedError(path) from error
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever held it gave it its name, or removed it


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
