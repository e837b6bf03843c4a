"""The objects of a remote: whole ones are written and read under checked names, again where that may help.

What is read is nobody's word: sizes are bounded here, and what the bytes are worth is checked by whoever asked.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from semcache.config import RemoteConfig
from semcache.errors import (
    ConfigError,
    ObjectExistsError,
    ObjectMissingError,
    ObjectTooLargeError,
    RemoteUnavailableError,
)
from semcache.store.object_backend import Backend, Body, Stopped
from semcache.store.object_folder import ObjectFolder
from semcache.store.object_http import ObjectHttp
from semcache.store.object_paths import check_object_path
from semcache.store.object_server import ObjectServer

_MAX_WAIT_S = 30.0
_T = TypeVar("_T")


class ObjectStore:
    """The objects of one remote. Safe to share between threads; not across a fork.

    Every method raises ConfigError for a name that no object may have, RemoteUnavailableError where the remote stalls,
    breaks off or refuses, after as many attempts as the config allows where another may help, and `Stopped` once
    the event `stopping` is set, if one was given.
    """

    def __init__(self, backend: Backend, *, config: RemoteConfig | None = None) -> None:
        """Wrap what keeps the objects; `open` makes it from an address."""
        self._backend, self._config = backend, config or RemoteConfig()

    @classmethod
    def open(
        cls, url: str, *, storage_options: Mapping[str, Any] | None = None, config: RemoteConfig | None = None
    ) -> Self:
        """Name a remote; nothing is sent or made yet.

        Args:
            url: a folder, or any address that fsspec knows: file, http, https, s3, gs, hf, ...
            storage_options: of fsspec's file system, as it documents them. Credentials are otherwise taken from where
                the library behind the address looks for them.
            config: patience.

        Raises:
            ConfigError: no such kind of address, or options that it does not take.
            MissingExtraError: the package for this kind of address is not installed.
        """
        config = config or RemoteConfig()
        return cls(_backend(url, storage_options or {}, config), config=config)

    @property
    def url(self) -> str:
        """Where it is, without user, password and query."""
        return self._backend.url

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        """Return a whole small object.

        Raises:
            ObjectMissingError: there is none.
            ObjectTooLargeError: it is larger than the limit.
        """

        def once() -> bytes:
            with self.stream(path, limit_bytes=limit_bytes) as body:
                return b"".join(body.blocks)

        return self.again_if_it_may_pass(once)

    @contextmanager
    def stream(
        self, path: str, *, limit_bytes: int, offset: int = 0, stopping: threading.Event | None = None
    ) -> Iterator[Body]:
        """Read an object block by block, from an offset or, where that cannot be had, from the start. Tried once.

        The blocks raise what `read` raises: ObjectTooLargeError where the object has a byte beyond `limit_bytes`, and
        RemoteUnavailableError where it breaks off.
        """
        check_object_path(path)
        stopping = stopping or threading.Event()
        with self._backend.stream(path, offset=offset, limit_bytes=limit_bytes, stopping=stopping) as body:
            yield Body(body.offset, self._bounded(body, path, limit_bytes))

    def write(self, path: str, data: bytes, *, only_new: bool = False, stopping: threading.Event | None = None) -> None:
        """Write an object, so that a reader sees all of it or nothing.

        Args:
            path: its name.
            data: all of it.
            only_new: it must not be there yet. Of several writers one succeeds in a folder, on S3 and on Google's
                storage; elsewhere it is looked for and then written.
            stopping: ends waiting.

        Raises:
            ObjectExistsError: it is there, and was to be new.
        """
        check_object_path(path)
        event = stopping or threading.Event()
        attempts = iter((True,))

        def once() -> None:
            is_first = next(attempts, False)
            try:
                self._backend.write(path, data, only_new=only_new, stopping=event)
            except ObjectExistsError:
                if is_first or not self._holds(path, data):
                    raise  # else an attempt of ours had arrived, and only its answer was lost

        self.again_if_it_may_pass(once, stopping=event)

    def size(self, path: str, *, stopping: threading.Event | None = None) -> int | None:
        """Return the size of an object, or None where there is none."""
        check_object_path(path)
        event = stopping or threading.Event()
        try:
            return self.again_if_it_may_pass(lambda: self._backend.size(path, stopping=event), stopping=event)
        except ObjectMissingError:
            return None

    def exists(self, path: str) -> bool:
        """Return whether there is such an object."""
        return self.size(path) is not None

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the size of every object below a prefix (or of all), by path, in order; foreign names are left out."""
        if prefix:
            check_object_path(prefix)
        event = threading.Event()
        return self.again_if_it_may_pass(lambda: self._backend.sizes(prefix, stopping=event))

    def delete(self, path: str) -> None:
        """Delete an object; it is no failure where there is none."""
        check_object_path(path)
        event = threading.Event()
        try:
            self.again_if_it_may_pass(lambda: self._backend.delete(path, stopping=event))
        except ObjectMissingError:
            return

    def again_if_it_may_pass(self, step: Callable[[], _T], *, stopping: threading.Event | None = None) -> _T:
        """Return what a step returns, after further attempts where it fails with what may pass, each after a wait."""
        event = stopping or threading.Event()
        wait_s = self._config.first_wait_s
        for _ in range(self._config.n_retries):
            try:
                return step()
            except RemoteUnavailableError as error:
                if not error.may_pass:
                    raise
            if event.wait(wait_s * random.uniform(0.5, 1.0)):  # noqa: S311 - waits, not secrets
                raise Stopped
            wait_s = min(2 * wait_s, _MAX_WAIT_S)
        return step()

    def _holds(self, path: str, data: bytes) -> bool:
        try:
            return self.read(path, limit_bytes=len(data)) == data
        except ObjectTooLargeError:
            return False

    def _bounded(self, body: Body, path: str, limit_bytes: int) -> Iterator[bytes]:
        end = body.offset
        for block in body.blocks:
            end += len(block)
            if end > limit_bytes:
                raise ObjectTooLargeError(f"{self.url}/{path}", limit_bytes=limit_bytes)
            yield block


def _backend(url: str, options: Mapping[str, Any], config: RemoteConfig) -> Backend:
    if "::" in url:
        msg = "remote: found several addresses joined by ::, allowed one"
        raise ConfigError(msg)
    kind, separator, rest = url.partition("://")
    if not separator or kind == "file":
        path = Path(unquote(rest) if separator else url)
        if not url or options or (separator and not path.is_absolute()):
            msg = f"remote: found {url!r:.200}, allowed a folder, or file:// and its whole path, without options"
            raise ConfigError(msg)
        return ObjectFolder(path.absolute())  # the same remote, wherever a program is run
    if kind in {"http", "https"}:
        return ObjectHttp(url, options=options, config=config)
    return ObjectServer(url, options=options, config=config)
