"""Records lookups without making them wait: they queue up in memory, and one thread writes them down.

A lookup appends one tuple to a bounded queue and goes on; it waits for nobody and wakes nobody, unless the queue is
half full. What does not fit, or cannot be written, is counted, and the count is written as soon as anything can be.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from semcache.config import RecordConfig
from semcache.core.text import normalise
from semcache.core.traffic import DroppedLookups, RecordedLookup, pack, recordable_name, recordable_text
from semcache.errors import StorageError
from semcache.store.append_log import AppendLog
from semcache.types import Hit, Kind, Reason, Result

_WRITE_EVERY_S = 0.5
_LINES_A_WRITE = 256
_BYTES_A_WRITE = 1 << 15
_CLOSE_WAIT_S = 5.0
_HASH_BYTES = 16

_Seen = tuple[float, str | None, str | None, str, Reason | None, str | None, Kind | None, float | None, float | None]
"""What is kept of a lookup until it is written; the result itself would hold on to its value."""

_logger = logging.getLogger(__name__)


class Recorder:
    """Takes down the lookups of one open cache. Safe to share between threads; a forked child records nothing."""

    def __init__(self, config: RecordConfig) -> None:
        """Start the thread that writes. The folder is first touched when there is something to write."""
        self._config = config
        self._log = AppendLog(config.folder, max_file_bytes=config.max_file_bytes, max_files=config.max_files)
        self._queue: deque[_Seen] = deque()
        self._half = config.queue_lines // 2
        self._n_dropped, self._counting = 0, threading.Lock()
        self._wake = threading.Event()
        self._is_over = self._is_told = False
        self._thread: threading.Thread | None = threading.Thread(
            target=self._write_on, name="semcache-record", daemon=True
        )
        self._thread.start()

    def add(self, text: str, namespace: str | None, result: Result, now: float) -> None:
        """Take a lookup down; under a microsecond, whatever the disk does."""
        n_waiting = len(self._queue)
        if n_waiting >= self._config.queue_lines:
            self._count_dropped(1)
            return
        asked = (now, recordable_text(text), recordable_name(namespace), result.bundle_id)
        if isinstance(result, Hit):
            self._queue.append((*asked, None, result.entry_id, result.kind, result.score, result.confidence))
        else:
            nearest_id = None if result.nearest is None else result.nearest.entry_id
            self._queue.append((*asked, result.reason, nearest_id, None, result.score, None))
        if n_waiting == self._half:
            self._wake.set()

    def close(self) -> None:
        """Write what is left, and end the thread. Waits some seconds at most; safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._is_over = True
        self._wake.set()
        if thread is not threading.current_thread():  # where its cache is garbage, any thread may come here
            thread.join(_CLOSE_WAIT_S)

    def forget_after_fork(self) -> None:
        """Leave queue, thread and file to the parent: what it has not written yet, it will write itself."""
        self._thread = None
        self._log.close()

    def _count_dropped(self, n: int) -> None:
        with self._counting:
            self._n_dropped += n

    def _write_on(self) -> None:
        is_over = False
        while not is_over:
            self._wake.wait(_WRITE_EVERY_S)
            self._wake.clear()
            is_over = self._is_over  # before the last round, not after it
            self._write_all()
        self._log.close()

    def _write_all(self) -> None:
        """Write what waits; where the system refuses, count it."""
        for lines, n_lookups in self._batches():
            try:
                self._log.append(lines)
            except StorageError as error:
                self._count_dropped(n_lookups)
                self._tell(error)
        self._write_dropped()

    def _batches(self) -> Iterator[tuple[bytes, int]]:
        """Yield lines and how many they are, as long as any wait. Other threads run between two of them."""
        while self._queue:
            lines: list[bytes] = []
            n_bytes = 0
            while self._queue and len(lines) < _LINES_A_WRITE and n_bytes < _BYTES_A_WRITE:
                lines.append(pack(self._lookup(self._queue.popleft())))
                n_bytes += len(lines[-1])
            yield b"".join(lines), len(lines)

    def _lookup(self, seen: _Seen) -> RecordedLookup:
        now, text, namespace, bundle_id, reason, entry_id, kind, score, confidence = seen
        return RecordedLookup(
            time=int(now),
            bundle_id=bundle_id,
            namespace=namespace,
            hit=reason is None,
            reason=reason,
            entry_id=entry_id,
            kind=kind,
            score=_rounded(score),
            confidence=_rounded(confidence),
            text=text if self._config.text == "plain" else None,
            text_hash=text_hash(text, self._config.key) if text and self._config.text == "hashed" else None,
        )

    def _write_dropped(self) -> None:
        with self._counting:
            n, self._n_dropped = self._n_dropped, 0
        if not n:
            return
        try:
            self._log.append(pack(DroppedLookups(int(time.time()), n)))
        except StorageError:
            self._count_dropped(n)

    def _tell(self, error: StorageError) -> None:
        """Say once that lookups are not recorded."""
        if not self._is_told:
            self._is_told = True
            _logger.warning("lookups are not recorded, only counted, until this is mended: %s", error)


def text_hash(text: str, key: bytes) -> str:
    """Return the keyed digest of a text as 32 hex digits; texts that are one exact key have the same."""
    normalised = normalise(text).encode("utf-8", "surrogatepass")
    return blake2b(normalised, digest_size=_HASH_BYTES, key=key).hexdigest()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
