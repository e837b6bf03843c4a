"""A remote behind any address that fsspec knows. The only file that imports fsspec.

Waits for the event loop of fsspec's own thread in short steps, so that whoever waits can be stopped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from typing import Any

from semcache.config import RemoteConfig
from semcache.errors import (
    ConfigError,
    MissingExtraError,
    ObjectExistsError,
    ObjectMissingError,
    RemoteError,
    RemoteUnavailableError,
)
from semcache.store.object_backend import Body, Stopped
from semcache.store.object_failures import failure_of, is_refused_condition, is_unknown_operation
from semcache.store.object_paths import is_object_path, shown

EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "hf": "hf"}
"""The extra that each kind of address needs."""
_BLOCK_BYTES = 4 << 20
_POLL_S = 0.1
_STALLS, _STALLS_PER_MIB = 10, 10
"""A step may take as long as so many stalls: a server that takes or sends a byte now and then ends it too."""


class ObjectServer:
    """The objects below an address of an fsspec file system."""

    def __init__(self, url: str, *, options: Mapping[str, Any], config: RemoteConfig) -> None:
        """Make the file system; nothing is sent.

        Args:
            url: the address.
            options: of the file system, beside what its library reads from the environment.
            config: patience.

        Raises:
            MissingExtraError: the package for this kind of address is not installed.
            ConfigError: there is no such kind, or it refuses the options.
        """
        self.url = shown(url).rstrip("/")
        self._config = config
        self._fs, self._top = _file_system(url, {**_defaults(url, config), **options})
        if hasattr(self._fs, "retries"):
            self._fs.retries = 1  # s3fs: whoever calls us tries again

    @contextmanager
    def stream(self, path: str, *, offset: int, limit_bytes: int, stopping: threading.Event) -> Iterator[Body]:
        """Read by ranges, after asking for the size where one range may not be all of it."""
        end = limit_bytes + 1
        if offset or end > _BLOCK_BYTES:
            size = self.size(path, stopping=stopping)
            offset, end = (offset if offset < size else 0), min(end, size)
        yield Body(offset, self._blocks(path, offset, end, stopping))

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Write in one request, as every object store does; what is to be new on its condition where it knows one.

        S3 does since 2024, and Google. Elsewhere it is looked for and then written, which two writers at the same
        moment both pass.
        """
        if only_new:
            self._write_new(path, data, stopping)
        else:
            self._call("pipe_file", path, data, stopping=stopping, n_bytes=len(data))

    def size(self, path: str, *, stopping: threading.Event) -> int:
        """Ask for what is known of it."""
        info = self._call("info", path, stopping=stopping)
        if info["type"] != "file":
            raise ObjectMissingError(f"{self.url}/{path}")
        return int(info["size"])

    def sizes(self, prefix: str, *, stopping: threading.Event) -> dict[str, int]:
        """List; names that no object may have are left out."""
        try:
            found = self._call("find", prefix, stopping=stopping, detail=True)
        except ObjectMissingError:
            return {}
        top = self._top.lstrip("/") + "/"
        inner = {name.lstrip("/").removeprefix(top): info for name, info in found.items()}
        return {path: int(inner[path]["size"]) for path in sorted(inner) if is_object_path(path)}

    def delete(self, path: str, *, stopping: threading.Event) -> None:
        """Delete it; many stores say nothing where it was not there."""
        self._call("rm_file", path, stopping=stopping)

    def _write_new(self, path: str, data: bytes, stopping: threading.Event) -> None:
        try:
            self._call("pipe_file", path, data, stopping=stopping, n_bytes=len(data), mode="create")
        except RemoteUnavailableError as error:
            if is_refused_condition(error.__cause__):
                raise ObjectExistsError(error.url) from error
            if not is_unknown_operation(error.__cause__):
                raise
            with suppress(ObjectMissingError):
                self.size(path, stopping=stopping)
                raise ObjectExistsError(error.url) from error
            self._call("pipe_file", path, data, stopping=stopping, n_bytes=len(data))

    def _blocks(self, path: str, start: int, end: int, stopping: threading.Event) -> Iterator[bytes]:
        while start < end:
            asked = min(start + _BLOCK_BYTES, end)
            block: bytes = self._call(
                "cat_file", path, stopping=stopping, n_bytes=asked - start, start=start, end=asked
            )
            if block:
                yield block
            if start + len(block) < asked:
                break
            start += len(block)

    def _call(
        self, name: str, path: str, *arguments: Any, stopping: threading.Event, n_bytes: int = 0, **options: Any
    ) -> Any:
        """Call a method of the file system on an object, in its own loop where it has one."""
        where = f"{self._top}/{path}".rstrip("/")
        with self.translated(path):
            if not self._fs.async_impl:
                if stopping.is_set():
                    raise Stopped
                return getattr(self._fs, name)(where, *arguments, **options)
            step = getattr(self._fs, f"_{name}")(where, *arguments, **options)
            return self.run(step, stopping=stopping, n_bytes=n_bytes)

    def run(self, step: Coroutine[Any, Any, Any], *, stopping: threading.Event, n_bytes: int) -> Any:
        """Wait for a step in the file system's loop; cancel it when it is to stop, or takes too long for its bytes."""
        n_stalls = _STALLS + _STALLS_PER_MIB * n_bytes / (1 << 20)
        bounded = asyncio.wait_for(step, self._config.stall_timeout_s * n_stalls)
        future = asyncio.run_coroutine_threadsafe(bounded, self._fs.loop)
        try:
            while not wait([future], timeout=_POLL_S).done:
                if stopping.is_set():
                    raise Stopped
            return future.result()
        finally:
            future.cancel()  # nothing where it is done

    @contextmanager
    def translated(self, path: str) -> Iterator[None]:
        """Give every error of a foreign library as one of ours."""
        try:
            yield
        except (RemoteError, Stopped):
            raise
        except Exception as error:  # each kind of address brings a library with errors of its own
            failure = failure_of(error, f"{self.url}/{path}".rstrip("/"), config=self._config)
            if failure is None:
                raise
            raise failure from error


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of an address, and where in it the objects are.

    fsspec keeps it for as long as the process lives. It is left to: a file system that the garbage collector finds
    closes its connections in whatever thread that is, and waits for its loop, which may wait for a lock of that thread.
    """
    import fsspec  # noqa: PLC0415 - 50 ms that only remotes cost

    kind = url.partition("://")[0]
    try:
        file_system, top = fsspec.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        if kind in EXTRAS:
            raise MissingExtraError(f"a remote at {kind}://", extra=EXTRAS[kind]) from error
        msg = f"remote: {shown(url)} needs a package that is not installed: {error}"
        raise ConfigError(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"remote: {shown(url)} cannot be used: {error}"
        raise ConfigError(msg) from error
    return file_system, top.rstrip("/")


def _defaults(url: str, config: RemoteConfig) -> dict[str, Any]:
    """Return options that bound how long a file system's own library waits."""
    if url.startswith(("s3://", "s3a://")):
        timeouts = {"connect_timeout": config.connect_timeout_s, "read_timeout": config.stall_timeout_s}
        return {"config_kwargs": {**timeouts, "retries": {"total_max_attempts": 1}}}
    return {}
