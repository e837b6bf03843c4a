"""Every step that makes files durable, so that a test can stop at each of them.

Order is the whole point of this file: bytes are safe after `sync_file`, names after `sync_dir`. Nothing here
decides what is written. Foreign libraries write their own files; they are synced here afterwards.
"""

from __future__ import annotations

import os
import shutil
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


def publish_dir(fs: FileSystem, staged: Path, target: Path) -> None:
    """Give a finished folder its final name, durably: files, then the folder, then the name.

    A crash before the rename leaves only the staged folder; after it, the whole folder under its final name.
    """
    for path in sorted(staged.iterdir()):
        fs.sync_file(path)
    fs.sync_dir(staged)
    fs.rename(staged, target)
    fs.sync_dir(target.parent)


def replace_file(fs: FileSystem, path: Path, data: bytes) -> None:
    """Replace a small file, durably: a reader, and a crash, see the old or the new content."""
    staged = path.with_name(path.name + ".new")
    fs.write_bytes(staged, data)
    fs.sync_file(staged)
    fs.replace(staged, path)
    fs.sync_dir(path.parent)
