"""Stops at any durable step of whatever this process does, wherever the file layer that takes it was made.

`crash_steps.py` gives one file layer to one function; publishing and signing make several of their own.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from crash_steps import Step

from semcache.store.fsio import FileSystem

_NAMES = ("make_dir", "write_bytes", "write_secret", "sync_file", "sync_dir", "remove_tree", "remove_file")
_NAMES_WITH_SOURCE = ("rename", "replace", "link")

Reach = Callable[[Step], None]
"""Is told of a step before it is taken."""


@contextmanager
def every_step(reach: Reach = lambda _: None) -> Iterator[list[Step]]:
    """Call `reach` before each durable step of this process while the block runs, and sync nothing.

    Yields:
        The steps so far; the first has number 1.
    """
    steps: list[Step] = []
    lock = threading.Lock()

    def told(name: str, at: int) -> Callable[..., None]:
        original = getattr(FileSystem, name)

        def step(self: FileSystem, *arguments: Any) -> None:
            with lock:
                found = Step(len(steps) + 1, name, Path(arguments[at]))
                steps.append(found)
            reach(found)
            original(self, *arguments)

        return step

    with ExitStack() as patches:
        for names, at in ((_NAMES, 0), (_NAMES_WITH_SOURCE, 1)):
            for name in names:
                patches.enter_context(mock.patch.object(FileSystem, name, told(name, at)))
        patches.enter_context(mock.patch.object(FileSystem, "_sync"))
        yield steps


def killed_at(number: int) -> Reach:
    """Return what ends this process at a step, as `kill -9` does."""

    def reach(step: Step) -> None:
        if step.number == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def full_from(number: int) -> Reach:
    """Return what finds no room at a step, nor at any later one."""

    def reach(step: Step) -> None:
        if step.number >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(step.path))

    return reach
