"""Chunks: packed, unpacked, and kept in a local folder under the sha256 of their bytes.

A chunk has its name only once all its bytes are on the disk and right; until then it is a `.part` beside it, which a
later load goes on with. Nothing here knows where chunks come from.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from semcache.core.chunk import ChunkRef
from semcache.errors import ChunkError, StorageError
from semcache.store.chunk_part import PART_SUFFIX, ChunkPart, open_part, take_part
from semcache.store.codec import CodecError, pack_frame, unpack_frame
from semcache.store.fsio import FileSystem
from semcache.store.lock import LockedError

TEXT_LEVEL = 9
VECTOR_LEVEL = 1
"""Compression of what hardly compresses: the mantissas of vectors."""
_FILE = re.compile(rf"[0-9a-f]{{64}}(\.[0-9a-f]+)?(\{PART_SUFFIX})?")
GRACE_S = 24 * 3600.0
"""How long what nobody names is kept, for downloads in progress."""


def pack(raw: bytes, *, level: int = TEXT_LEVEL) -> tuple[ChunkRef, bytes]:
    """Return a chunk of 1 to 128 MiB and its bytes. The same ones every time, for a version of zstandard."""
    data = pack_frame(raw, level=level)
    return ChunkRef(sha256(data).hexdigest(), len(data), len(raw)), data


def unpack(ref: ChunkRef, data: bytes, *, source: str = "chunk") -> bytes:
    """Return the content of a chunk's bytes, with no more memory than the chunk states.

    Args:
        ref: the chunk.
        data: its bytes.
        source: where they are from, for the message.

    Raises:
        ChunkError: they are not the chunk's, or their content is not of the stated size.
    """
    check_bytes(ref, data, source=source)
    try:
        return unpack_frame(data, raw_bytes=ref.raw_bytes)
    except CodecError as error:
        raise ChunkError(source, f"is no chunk of {ref.raw_bytes} bytes: {error}; publish it again") from error


def check_bytes(ref: ChunkRef, data: bytes, *, source: str = "chunk") -> None:
    """Raise ChunkError where bytes are not those that a chunk's name stands for."""
    found = sha256(data).hexdigest() if len(data) == ref.size_bytes else f"{len(data)} bytes"
    if found != ref.sha256:
        raise ChunkError(source, f"found {found}, allowed {ref.sha256} of {ref.size_bytes} bytes")


class ChunkFolder:
    """The chunks of one folder, `<path>/<aa>/<sha256>`. Any number of threads and processes may use it at once."""

    def __init__(self, path: Path, *, fs: FileSystem | None = None) -> None:
        """Name the folder; it is made when the first chunk comes.

        Args:
            path: the folder.
            fs: makes chunks durable.
        """
        self.path = path
        self._fs = fs or FileSystem()

    def path_of(self, ref: ChunkRef) -> Path:
        """Return where a chunk is, or would be."""
        return self.path / ref.sha256[:2] / ref.sha256

    def has(self, ref: ChunkRef) -> bool:
        """Return whether a chunk is there in full length; its bytes are checked when they are read."""
        try:
            return self.path_of(ref).stat().st_size == ref.size_bytes
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError.from_os_error(self.path_of(ref), error) from error

    def load(self, ref: ChunkRef) -> bytes:
        """Return the bytes of a chunk, checked. One that is damaged is removed, so that it is fetched anew.

        Raises:
            ChunkError: it is not there, or it is damaged.
            StorageError: the system refuses.
        """
        path = self.path_of(ref)
        try:
            with path.open("rb") as file:
                data = file.read(ref.size_bytes + 1)
        except FileNotFoundError as error:
            raise ChunkError(str(path), "is not there; pull again") from error
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error
        try:
            check_bytes(ref, data, source=str(path))
        except ChunkError as error:
            with suppress(OSError):
                self._fs.remove_file(path)
            raise ChunkError(str(path), "was damaged and is removed; pull again") from error
        return data

    def read(self, ref: ChunkRef) -> bytes:
        """Return the content of a chunk, checked. Raises as `load`, and where the content is not as stated."""
        return unpack(ref, self.load(ref), source=str(self.path_of(ref)))

    def add(self, ref: ChunkRef, data: bytes) -> None:
        """Keep a chunk, durably; one that is there stays.

        Raises:
            ChunkError: the bytes are not the chunk's; nothing is kept.
            StorageError: the system refuses; nothing has the chunk's name.
        """
        check_bytes(ref, data, source=ref.sha256)
        if self.has(ref):
            return
        with self.part(ref, is_private=True) as part:
            part.append(data)
            part.finish()

    @contextmanager
    def part(self, ref: ChunkRef, *, is_private: bool = False) -> Iterator[ChunkPart]:
        """Hold the part of a chunk that is loaded so far while the block runs; what is not finished stays for later.

        Args:
            ref: the chunk.
            is_private: begin a part of one's own, which is deleted if it is not finished.

        Raises:
            LockedError: somebody else loads this chunk now; never for a private part.
            StorageError: the system refuses.
        """
        path = self.path_of(ref)
        try:
            self._fs.make_dir(path.parent)
            with open_part(ref, path, fs=self._fs, is_private=is_private) as part:
                yield part
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error

    def touch(self, ref: ChunkRef) -> bool:
        """Count a chunk as new for `sweep`, because somebody is about to use it; return whether it is there."""
        with suppress(OSError):  # another user's: then its grace is what it was
            os.utime(self.path_of(ref))
        return self.has(ref)

    def chunks(self) -> Iterator[tuple[str, int]]:
        """Yield sha256 and size of every chunk that is there, in order."""
        for path in self._files():
            if path.suffix != PART_SUFFIX:
                with suppress(FileNotFoundError):
                    yield path.name, path.stat().st_size

    def sweep(self, keep: AbstractSet[str], *, grace_s: float = GRACE_S, dry_run: bool = False) -> int:
        """Remove what nobody names, and parts that nobody loads; return how many bytes that frees.

        Args:
            keep: sha256 of the chunks that stay.
            grace_s: what changed within this many seconds stays too.
            dry_run: remove nothing.

        Raises:
            StorageError: the system refuses.
        """
        oldest = time.time() - grace_s
        n_bytes = 0
        for path in self._files():
            try:
                found = path.stat()
                is_old = found.st_mtime < oldest and path.name not in keep
                if is_old and (dry_run or self._remove(path)):
                    n_bytes += found.st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError.from_os_error(path, error) from error
        return n_bytes

    def _files(self) -> list[Path]:
        return sorted(path for path in self.path.glob("??/*") if _FILE.fullmatch(path.name))

    def _remove(self, path: Path) -> bool:
        if path.suffix != PART_SUFFIX:
            self._fs.remove_file(path)
            return True
        try:
            descriptor = take_part(path)
        except LockedError:
            return False
        try:
            self._fs.remove_file(path)
        finally:
            os.close(descriptor)
        return True
