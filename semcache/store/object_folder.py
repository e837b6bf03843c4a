"""A remote that is a folder: of this disk, of a stick, or mounted."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from semcache.errors import ObjectExistsError, ObjectMissingError, RemoteUnavailableError
from semcache.store.fsio import FileSystem
from semcache.store.object_backend import Body, Stopped
from semcache.store.object_paths import is_object_path

_BLOCK_BYTES = 1 << 20
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
_HINTS = {
    errno.ENOSPC: "; free some space there and run the command again",
    errno.EACCES: "; check the owner and the permissions",
    errno.EPERM: "; check the owner and the permissions",
    errno.EROFS: "; this file system is read-only",
}


class ObjectFolder:
    """The objects below a folder, which is made by the first write. Hidden files are none of them."""

    def __init__(self, path: Path, *, fs: FileSystem | None = None) -> None:
        self.url = str(path)
        self._path, self._fs = path, fs or FileSystem()

    @contextmanager
    def stream(self, path: str, *, offset: int, limit_bytes: int, stopping: threading.Event) -> Iterator[Body]:
        """Read from an offset, or from the start where the file ends before it."""
        del limit_bytes
        with self._opened(path) as descriptor:
            start = offset if offset <= os.fstat(descriptor).st_size else 0
            os.lseek(descriptor, start, os.SEEK_SET)
            yield Body(start, self._blocks(path, descriptor, stopping))

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Write beside it, make it durable, then give it its name: by a link where it is to be new.

        Where the file system knows no links, a new object is looked for and then written.
        """
        del stopping
        target = self._path / path
        staged = target.with_name(f".{secrets.token_hex(8)}.new")
        with self._translated(path):
            self._fs.make_dir(target.parent)
            try:
                self._fs.write_bytes(staged, data)
                self._fs.sync_file(staged)
                if only_new:
                    self._name_new(staged, target)
                else:
                    self._fs.replace(staged, target)
                self._fs.sync_dir(target.parent)
            finally:
                with suppress(OSError):  # renamed, or the reason why we are here matters more
                    self._fs.remove_file(staged)

    def size(self, path: str, *, stopping: threading.Event) -> int:
        """Ask the file system."""
        del stopping
        with self._opened(path) as descriptor:
            return os.fstat(descriptor).st_size

    def sizes(self, prefix: str, *, stopping: threading.Event) -> dict[str, int]:
        """Walk the folders; a prefix that is not there has nothing below it."""
        found = {}
        with self._translated(prefix):
            for folder, names, files in os.walk(self._path / prefix, onerror=_unless_missing):
                if stopping.is_set():
                    raise Stopped
                names[:] = [name for name in names if is_object_path(name)]
                for name in files:
                    path = Path(folder, name)
                    inner = path.relative_to(self._path).as_posix()
                    with suppress(FileNotFoundError):
                        if is_object_path(inner) and stat.S_ISREG((status := path.stat()).st_mode):
                            found[inner] = status.st_size
        return dict(sorted(found.items()))

    def delete(self, path: str, *, stopping: threading.Event) -> None:
        """Remove the file, durably."""
        del stopping
        with self._translated(path):
            self._fs.remove_file(self._path / path)
            self._fs.sync_dir((self._path / path).parent)

    def _name_new(self, staged: Path, target: Path) -> None:
        try:
            self._fs.link(staged, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if target.exists():
                raise FileExistsError(target) from error
            self._fs.replace(staged, target)

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """Open a plain file; anything else is no object, and a pipe must not be waited for."""
        with self._translated(path):
            descriptor = os.open(self._path / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ObjectMissingError(f"{self.url}/{path}")
            yield descriptor
        finally:
            os.close(descriptor)

    def _blocks(self, path: str, descriptor: int, stopping: threading.Event) -> Iterator[bytes]:
        with self._translated(path):
            while block := os.read(descriptor, _BLOCK_BYTES):
                if stopping.is_set():
                    raise Stopped
                yield block

    @contextmanager
    def _translated(self, path: str) -> Iterator[None]:
        url = f"{self.url}/{path}"
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissingError(url) from error
        except FileExistsError as error:
            raise ObjectExistsError(url) from error
        except OSError as error:
            raise RemoteUnavailableError(url, f"{error.strerror or error}{_HINTS.get(error.errno or 0, '')}") from error


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
