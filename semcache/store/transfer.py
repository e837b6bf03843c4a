"""Moves chunks between a remote and a local folder, several at a time, and only those that are missing there.

What is fetched is right or refused. What was fetched before an interruption is there or is gone on with.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from semcache.core.chunk import ChunkRef
from semcache.errors import ChunkError, ObjectTooLargeError, StorageError
from semcache.store.chunk_part import ChunkPart
from semcache.store.chunks import ChunkFolder
from semcache.store.lock import LockedError
from semcache.store.object_backend import Stopped
from semcache.store.objects import ObjectStore

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and all bytes, from the caller's thread."""

_TICK_S = 0.1
_LOCK_PATIENCE_S = 60.0
"""How long another process may take to load a chunk before it is loaded beside it."""


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What was moved.

    Attributes:
        n_chunks: chunks that were asked for, each once.
        n_moved: those of them that were missing.
        moved_bytes: what went over the wire for them, failed attempts included.
    """

    n_chunks: int
    n_moved: int
    moved_bytes: int


def fetch_all(
    store: ObjectStore,
    chunks: Iterable[ChunkRef],
    folder: ChunkFolder,
    *,
    n_workers: int = 8,
    progress: Progress | None = None,
) -> TransferReport:
    """Load what a folder lacks, check each chunk, and keep it under its name.

    Another process that loads the same chunks shares the work. The first failure, and Ctrl-C, stop all workers; what
    they have stays for the next attempt.

    Args:
        store: has the chunks.
        chunks: in the order in which they are begun.
        folder: takes them.
        n_workers: transfers at a time.
        progress: told how far it is, ten times a second.

    Raises:
        RemoteError: one cannot be had, or is not what its name stands for.
        StorageError: there is too little room, or the system refuses.
    """
    wanted = list(dict.fromkeys(chunks))
    missing = [ref for ref in wanted if not folder.touch(ref)]
    _check_room(folder.path, sum(ref.size_bytes for ref in missing))
    fetch = _Fetch(store, folder, missing)
    _run(fetch.next_one, n_workers=n_workers, tally=fetch.tally, progress=progress)
    return TransferReport(len(wanted), len(missing), fetch.tally.moved_bytes)


def store_all(
    store: ObjectStore,
    chunks: Iterable[ChunkRef],
    folder: ChunkFolder,
    *,
    n_workers: int = 8,
    progress: Progress | None = None,
) -> TransferReport:
    """Upload what a remote lacks. Arguments and failures as of `fetch_all`."""
    wanted = list(dict.fromkeys(chunks))
    upload = _Upload(store, folder, wanted)
    _run(upload.next_one, n_workers=n_workers, tally=upload.tally, progress=progress)
    return TransferReport(len(wanted), upload.n_moved, upload.tally.moved_bytes)


class _Tally:
    """How far a transfer is."""

    def __init__(self, refs: Collection[ChunkRef]) -> None:
        self.all_bytes = sum(ref.size_bytes for ref in refs)
        self.done_bytes = self.moved_bytes = 0
        self._lock = threading.Lock()

    def add(self, n_bytes: int, *, moved_bytes: int = 0) -> None:
        """Count bytes that are done (or, below 0, to be done again), and those of them that were moved now."""
        with self._lock:
            self.done_bytes += n_bytes
            self.moved_bytes += moved_bytes


class _Fetch:
    """Chunks that are loaded by several workers."""

    def __init__(self, store: ObjectStore, folder: ChunkFolder, missing: Collection[ChunkRef]) -> None:
        self.tally = _Tally(missing)
        self._store, self._folder = store, folder
        self._queue = deque(missing)
        self._locked_since: dict[ChunkRef, float] = {}

    def next_one(self, stopping: threading.Event) -> bool:
        """Load the next chunk, or put it last while another process loads it; return whether there was one."""
        try:
            ref = self._queue.popleft()
        except IndexError:
            return False
        since = self._locked_since.setdefault(ref, time.monotonic())
        try:
            with self._folder.part(ref, is_private=time.monotonic() - since > _LOCK_PATIENCE_S) as part:
                self._load(ref, part, stopping)
        except LockedError:
            self._queue.append(ref)
            stopping.wait(_TICK_S)
        return True

    def _load(self, ref: ChunkRef, part: ChunkPart, stopping: threading.Event) -> None:
        if self._folder.has(ref):  # the other process has done it
            self.tally.add(ref.size_bytes)
            return
        self.tally.add(part.size_bytes)
        problem = self._problem(ref, part, stopping)
        if problem and part.is_resumed:  # what was there, or what was sent from the middle, may be at fault
            self._restart(part)
            problem = self._problem(ref, part, stopping)
        if problem:
            self._restart(part)
            allowed = f"allowed this chunk of {ref.size_bytes} bytes"
            reason = f"found {problem}, {allowed}; check the remote's address, or have it published again"
            raise ChunkError(f"{self._store.url}/{ref.path}", reason)

    def _problem(self, ref: ChunkRef, part: ChunkPart, stopping: threading.Event) -> str:
        """Load what a part lacks and give the chunk its name; return what came instead, if something did."""
        try:
            if part.size_bytes < ref.size_bytes:
                self._store.again_if_it_may_pass(lambda: self._receive(ref, part, stopping), stopping=stopping)
        except ObjectTooLargeError:
            return f"more than {ref.size_bytes} bytes"
        return "" if part.finish() else _sent(part)

    def _receive(self, ref: ChunkRef, part: ChunkPart, stopping: threading.Event) -> None:
        with self._store.stream(
            ref.path, offset=part.size_bytes, limit_bytes=ref.size_bytes, stopping=stopping
        ) as body:
            if body.offset != part.size_bytes:
                self._restart(part)
            part.is_resumed |= part.size_bytes > 0
            for block in body.blocks:
                part.append(block)
                self.tally.add(len(block), moved_bytes=len(block))

    def _restart(self, part: ChunkPart) -> None:
        self.tally.add(-part.size_bytes)
        part.restart()


class _Upload:
    """Chunks that are written by several workers."""

    def __init__(self, store: ObjectStore, folder: ChunkFolder, wanted: Collection[ChunkRef]) -> None:
        self.tally = _Tally(wanted)
        self.n_moved = 0
        self._store, self._folder = store, folder
        self._queue = deque(wanted)
        self._lock = threading.Lock()

    def next_one(self, stopping: threading.Event) -> bool:
        """Write the next chunk where the remote lacks it; return whether there was one."""
        try:
            ref = self._queue.popleft()
        except IndexError:
            return False
        moved_bytes = 0
        if self._store.size(ref.path, stopping=stopping) != ref.size_bytes:
            self._store.write(ref.path, self._folder.load(ref), stopping=stopping)
            moved_bytes = ref.size_bytes
        self.tally.add(ref.size_bytes, moved_bytes=moved_bytes)
        with self._lock:
            self.n_moved += moved_bytes > 0
        return True


def _run(
    next_one: Callable[[threading.Event], bool], *, n_workers: int, tally: _Tally, progress: Progress | None
) -> None:
    """Have workers do one after the other until there is none; stop all of them at the first failure."""
    stopping = threading.Event()

    def work() -> None:
        with suppress(Stopped):
            while not stopping.is_set() and next_one(stopping):
                pass

    with ThreadPoolExecutor(n_workers, thread_name_prefix="semcache-transfer") as pool:
        running = {pool.submit(work) for _ in range(n_workers)}
        try:
            while running:
                done, running = wait(running, timeout=_TICK_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if progress is not None:
                    progress(tally.done_bytes, tally.all_bytes)
        finally:
            stopping.set()


def _sent(part: ChunkPart) -> str:
    """Say what is there instead of a chunk."""
    if part.head().lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if part.size_bytes == part.ref.size_bytes:
        return f"{part.size_bytes} other bytes"
    return f"{part.size_bytes} bytes"


def _check_room(path: Path, needed_bytes: int) -> None:
    """Raise StorageError where a folder's disk has less room than needed."""
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    try:
        free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        raise StorageError.from_os_error(existing, error) from error
    if free_bytes < needed_bytes:
        reason = f"found {free_bytes} bytes free, needed {needed_bytes}"
        raise StorageError.from_os_error(path, OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {reason}"))
