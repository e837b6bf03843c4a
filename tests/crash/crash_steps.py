"""File layers that count the durable steps of a build, and stop, fail or die at a chosen one."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from semcache.store.fsio import FileSystem


class Crash(BaseException):
    """The process is dead. Not an Exception: nothing may handle it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the file layer; `data` is what it writes."""

    number: int
    name: str
    path: Path
    data: bytes = b""

    def __str__(self) -> str:
        return f"step {self.number}: {self.name} {self.path.parent.name}/{self.path.name}"


class SteppedFileSystem(FileSystem):
    """Calls `reach` before each step and `done` after it. Syncs nothing: what is lost is modelled, not waited for.

    Attributes:
        steps: those reached so far; the first has number 1.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def reach(self, step: Step) -> None:
        """Run before a step."""

    def done(self, step: Step) -> None:
        """Run after a step that did not raise."""

    def _begin(self, name: str, path: Path, data: bytes = b"") -> Step:
        step = Step(len(self.steps) + 1, name, path, data)
        self.steps.append(step)
        self.reach(step)
        return step

    def make_dir(self, path: Path) -> None:
        """Count, then do it: the folders inside count as syncs of their parents."""
        step = self._begin("make_dir", path)
        super().make_dir(path)
        self.done(step)

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Count, then do it."""
        step = self._begin("write_bytes", path, data)
        super().write_bytes(path, data)
        self.done(step)

    def sync_file(self, path: Path) -> None:
        """Count, then do it."""
        step = self._begin("sync_file", path)
        super().sync_file(path)
        self.done(step)

    def sync_dir(self, path: Path) -> None:
        """Count, then do it."""
        step = self._begin("sync_dir", path)
        super().sync_dir(path)
        self.done(step)

    def rename(self, source: Path, target: Path) -> None:
        """Count, then do it."""
        step = self._begin("rename", target)
        super().rename(source, target)
        self.done(step)

    def replace(self, source: Path, target: Path) -> None:
        """Count, then do it."""
        step = self._begin("replace", target)
        super().replace(source, target)
        self.done(step)

    def link(self, source: Path, target: Path) -> None:
        """Count, then do it."""
        step = self._begin("link", target)
        super().link(source, target)
        self.done(step)

    def remove_tree(self, path: Path) -> None:
        """Count, then do it."""
        step = self._begin("remove_tree", path)
        super().remove_tree(path)
        self.done(step)

    def remove_file(self, path: Path) -> None:
        """Count, then do it."""
        step = self._begin("remove_file", path)
        super().remove_file(path)
        self.done(step)

    @staticmethod
    def _sync(path: Path, flags: int) -> None:
        os.close(os.open(path, flags))


class CrashingFileSystem(SteppedFileSystem):
    """Dies before one step, or in the middle of it, and refuses every later one as a dead process does."""

    def __init__(self, stop_at: int | None, *, is_torn: bool = False) -> None:
        super().__init__()
        self._stop_at, self._is_torn, self._is_dead = stop_at, is_torn, False

    def reach(self, step: Step) -> None:
        """Die where it is time."""
        if self._is_dead:
            raise Crash(step)
        if step.number == self._stop_at:
            self._is_dead = True
            if self._is_torn:
                tear(step)
            raise Crash(step)


def is_tearable(step: Step) -> bool:
    """Say whether a step can end half done."""
    return step.name in ("write_bytes", "remove_tree")


def tear(step: Step) -> None:
    """Do half of a step."""
    if step.name == "write_bytes":
        step.path.write_bytes(step.data[: len(step.data) // 2])
    else:
        files = sorted(path for path in step.path.rglob("*") if path.is_file())
        for path in files[: (len(files) + 1) // 2]:
            path.unlink()


class FailingFileSystem(SteppedFileSystem):
    """Raises an OSError instead of one step, or of every step from that one on."""

    def __init__(self, number: int, fail_at: int, *, for_good: bool) -> None:
        super().__init__()
        self._number, self._fail_at, self._for_good = number, fail_at, for_good

    def reach(self, step: Step) -> None:
        """Fail where it is time."""
        if step.number == self._fail_at or (self._for_good and step.number > self._fail_at):
            raise OSError(self._number, os.strerror(self._number), str(step.path))


class KillingFileSystem(SteppedFileSystem):
    """Ends its own process before one step, as `kill -9` does."""

    def __init__(self, stop_at: int) -> None:
        super().__init__()
        self._stop_at = stop_at

    def reach(self, step: Step) -> None:
        """Die where it is time."""
        if step.number == self._stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
