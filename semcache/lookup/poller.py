"""Follows what becomes live, in the background: calls refresh() of one cache from time to time."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Protocol

from semcache.errors import CacheUnusableError, SemcacheError

_CLOSE_WAIT_S = 5.0

_logger = logging.getLogger(__name__)


class Refreshed(Protocol):
    """What a poller keeps up to date."""

    def refresh(self) -> bool:
        """Switch to what is live now."""


class Poller:
    """Refreshes a cache until that is closed or garbage. It holds the cache only while it refreshes it."""

    def __init__(self, cache: Refreshed, *, every_s: float) -> None:
        """Start the thread."""
        self._cache, self._every_s = weakref.ref(cache), every_s
        self._over = threading.Event()
        self._is_told = False
        self._thread: threading.Thread | None = threading.Thread(
            target=self._poll, name="semcache-refresh", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the thread, and wait some seconds at most for a refresh that is under way. Safe to call twice."""
        thread, self._thread = self._thread, None
        self._over.set()
        if thread is not None and thread is not threading.current_thread():  # it may let go of the cache as the last
            thread.join(_CLOSE_WAIT_S)

    def forget_after_fork(self) -> None:
        """Leave the thread to the parent: in a child it does not run."""
        self._thread = None

    def _poll(self) -> None:
        while not self._over.wait(self._every_s):
            cache = self._cache()
            if cache is None:
                return
            try:
                cache.refresh()
            except CacheUnusableError:
                return
            except SemcacheError as error:
                self._tell(error)
            else:
                self._is_told = False
            del cache

    def _tell(self, error: SemcacheError) -> None:
        """Say it once, until a refresh succeeds again."""
        if not self._is_told:
            self._is_told = True
            _logger.warning("what is live now cannot be opened, the version before stays in use: %s", error)
