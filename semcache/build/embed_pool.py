"""Embeds texts in worker threads while the caller goes on reading and writing. Vectors land in a file, by row."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from semcache.core.vectors import FloatRows
from semcache.embed.base import Embedder

_WAIT_S = 0.2
_BLOCK_BYTES = 1 << 20


class EmbedPool:
    """Worker threads over one embedder. Which worker embeds what does not change a vector.

    Use as a context manager; the rows are complete after `drain`.
    """

    def __init__(
        self,
        embedder: Embedder,
        path: Path,
        *,
        n_rows: int,
        n_workers: int,
        on_rows: Callable[[int], None],
    ) -> None:
        """Start the workers.

        Args:
            embedder: shared by all workers; it releases the GIL while it computes.
            path: of the scratch file that takes the vectors, (n_rows, dim) float32.
            n_rows: how many rows there will be.
            n_workers: threads; 0 means one a core.
            on_rows: called with a number of rows each time that many are done.

        Raises:
            OSError: the scratch file cannot be made.
        """
        _reserve(path, n_rows * embedder.dim * 4)
        self.vectors: FloatRows = np.memmap(path, dtype=np.float32, mode="r+", shape=(n_rows, embedder.dim))
        self._embedder, self._on_rows = embedder, on_rows
        n_workers = n_workers or os.cpu_count() or 1
        self._work: queue.Queue[tuple[int, list[str]] | None] = queue.Queue(maxsize=2 * n_workers)
        self._failure: BaseException | None = None
        self._is_stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, first_row: int, texts: Sequence[str]) -> None:
        """Queue texts for the rows from `first_row` on; waits while the queue is full.

        Raises whatever a worker failed with.
        """
        self._put((first_row, list(texts)))

    def drain(self) -> None:
        """Wait until every row is there. Raises whatever a worker failed with."""
        for _ in self._threads:
            self._put(None)
        for thread in self._threads:
            thread.join()
        self._raise_failure()

    def _put(self, item: tuple[int, list[str]] | None) -> None:
        while True:
            self._raise_failure()
            try:
                self._work.put(item, timeout=_WAIT_S)
            except queue.Full:
                continue
            return

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while (item := self._work.get()) is not None and not self._is_stopping.is_set():
                first_row, texts = item
                self.vectors[first_row : first_row + len(texts)] = self._embedder.embed(texts)
                self._on_rows(len(texts))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._failure = error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping.set()
        for thread in self._threads:
            while thread.is_alive():
                with suppress(queue.Full):
                    self._work.put_nowait(None)
                thread.join(timeout=_WAIT_S)


def _reserve(path: Path, size_bytes: int) -> None:
    """Create a file with room on the disk for all of it: a map of a hole on a full disk ends the process (SIGBUS)."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        else:
            for start in range(0, size_bytes, _BLOCK_BYTES):
                file.write(bytes(min(_BLOCK_BYTES, size_bytes - start)))
