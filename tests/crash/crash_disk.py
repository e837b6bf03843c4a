"""What of a folder tree outlives a power loss, read as strictly as POSIX allows.

A file's bytes are safe only as `sync_file` saw them; else the file is empty. The names in a folder are safe only as
`sync_dir` saw them; of the changes after it, any first few may have reached the disk. Files that foreign libraries
write are found by looking, and are as unsafe as all others.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import Self

from crash_steps import CrashingFileSystem, Step

Tree = tuple[tuple[str, "bytes | Tree"], ...]
"""A folder: its names in order, each with a file's bytes or a folder."""

_MAX_OUTCOMES = 64


class Disk:
    """The durable side of a folder. Files are told apart by inode; each is held open, so that no number is reused."""

    def __init__(self, top: Path) -> None:
        """Start with everything under `top` safe."""
        self._top, self._held = top, dict[int, int]()
        self._safe_bytes: dict[int, bytes] = {}
        self._names: dict[int, list[dict[str, int]]] = {}
        self.observe()
        for number in self._held:
            if number in self._names:
                del self._names[number][:-1]
            else:
                self._safe_bytes[number] = self._bytes_now(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def observe(self) -> None:
        """Note which names are where now."""
        self._look(self._top)

    def sync_file(self, path: Path) -> None:
        """Make a file's bytes safe."""
        number = self._hold(path)
        self._safe_bytes[number] = self._bytes_now(number)

    def sync_dir(self, path: Path) -> None:
        """Make the names in a folder safe."""
        self.observe()
        del self._names[self._hold(path)][:-1]

    def outcomes(self) -> list[Tree]:
        """Give every tree that may be found after a power loss now, each once."""
        self.observe()
        return self._outcomes(self._hold(self._top))

    def state(self) -> tuple[object, ...]:
        """Give all that later steps and later losses depend on, to be compared."""
        return self._tree_now(self._top), *self.outcomes()

    def _look(self, folder: Path) -> None:
        number = self._hold(folder)
        seen = self._names.setdefault(number, [{}])
        now = {path.name: self._hold(path) for path in sorted(folder.iterdir())}
        if now != seen[-1]:
            seen.append(now)
        for path in folder.iterdir():
            if path.is_dir():
                self._look(path)

    def _hold(self, path: Path) -> int:
        number = path.stat().st_ino
        if number not in self._held:
            self._held[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return number

    def _bytes_now(self, number: int) -> bytes:
        descriptor = self._held[number]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _outcomes(self, number: int) -> list[Tree]:
        found: dict[Tree, None] = {}
        for names in self._names[number]:
            parts = [[(name, part) for part in self._parts(child)] for name, child in sorted(names.items())]
            found |= dict.fromkeys(product(*parts))
        assert len(found) <= _MAX_OUTCOMES, f"{len(found)} outcomes are too many to try"
        return list(found)

    def _parts(self, number: int) -> list[Tree] | list[bytes]:
        if number in self._names:
            return self._outcomes(number)
        safe = self._safe_bytes.get(number, b"")
        return [safe if safe == self._bytes_now(number) else b""]

    def _tree_now(self, folder: Path) -> Tree:
        return tuple(
            (path.name, self._tree_now(path) if path.is_dir() else path.read_bytes())
            for path in sorted(folder.iterdir())
        )


def restore(tree: Tree, folder: Path) -> None:
    """Write a tree into a new folder."""
    folder.mkdir()
    for name, part in tree:
        if isinstance(part, bytes):
            (folder / name).write_bytes(part)
        else:
            restore(part, folder / name)


class PowerLossFileSystem(CrashingFileSystem):
    """Tells a disk of every step, and stops at one."""

    def __init__(self, disk: Disk, stop_at: int | None = None, *, is_torn: bool = False) -> None:
        super().__init__(stop_at, is_torn=is_torn)
        self._disk = disk

    def reach(self, step: Step) -> None:
        """Note what foreign libraries did since the last step."""
        self._disk.observe()
        super().reach(step)

    def done(self, step: Step) -> None:
        """Note what the step did."""
        if step.name == "sync_file":
            self._disk.sync_file(step.path)
        elif step.name == "sync_dir":
            self._disk.sync_dir(step.path)
        else:
            self._disk.observe()
