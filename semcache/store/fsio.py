"""Every step that makes files durable, so that a test can stop at each of them.

Order is the whole point of this file: bytes are safe after `sync_file`, names after `sync_dir`. Nothing here
decides what is written. Foreign libraries write their own files; they are synced here afterwards.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


class FileSystem:
    """The durable steps of the operating system. Tests replace it by one that fails at a chosen step.

    Every method raises OSError as the system does.
    """

    def make_dir(self, path: Path) -> None:
        """Create a folder and its parents, durably; keep it where it exists."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self.sync_dir(folder.parent)

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Write a whole new file. Not durable before `sync_file`."""
        path.write_bytes(data)

    def write_secret(self, path: Path, data: bytes) -> None:
        """Write a new file that only its owner may read. Not durable before `sync_file`."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)

    def sync_file(self, path: Path) -> None:
        """Make a file's bytes durable."""
        self._sync(path, os.O_RDONLY)

    def sync_dir(self, path: Path) -> None:
        """Make the names in a folder durable."""
        self._sync(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))

    def rename(self, source: Path, target: Path) -> None:
        """Move a folder to a name that is free, atomically."""
        source.rename(target)

    def replace(self, source: Path, target: Path) -> None:
        """Move a file over another one, atomically. A reader sees the old or the new one."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, atomically; FileExistsError where that name is taken."""
        target.hardlink_to(source)

    def remove_tree(self, path: Path) -> None:
        """Delete a folder and everything in it."""
        shutil.rmtree(path)

    def remove_file(self, path: Path) -> None:
        """Delete a file."""
        path.unlink()

    @staticmethod
    def _sync(path: Path, flags: int) -> None:
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish_dir(fs: FileSystem, staged: Path, target: Path, *, aside: Path | None = None) -> None:
    """Give a finished folder its final name, durably: files, then the folder, then the name.

    A crash before the rename leaves only the staged folder; after it, the whole folder under its final name.

    Args:
        fs: makes it durable.
        staged: the finished folder.
        target: its final name.
        aside: where a damaged folder of that name goes, to be deleted; None where there is none.
    """
    for path in sorted(staged.iterdir()):
        fs.sync_file(path)
    fs.sync_dir(staged)
    if aside is not None:
        fs.rename(target, aside)
    try:
        fs.rename(staged, target)
    except OSError:
        if aside is not None:
            with suppress(OSError):  # a damaged version still answers some questions
                fs.rename(aside, target)
        raise
    fs.sync_dir(target.parent)
    if aside is not None:
        with suppress(OSError):  # the next build clears it
            fs.remove_tree(aside)


def replace_file(fs: FileSystem, path: Path, data: bytes) -> None:
    """Replace a small file, durably: a reader, and a crash, see the old or the new content."""
    staged = path.with_name(path.name + ".new")
    try:
        fs.write_bytes(staged, data)
        fs.sync_file(staged)
        fs.replace(staged, path)
    except OSError:
        with suppress(OSError):  # the reason why we are here matters more
            fs.remove_file(staged)
        raise
    fs.sync_dir(path.parent)
