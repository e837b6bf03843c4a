"""A remote behind a plain web server, which can be read only. The only file that imports aiohttp.

Asks for ranges itself, over fsspec's session, because a server may answer them with anything.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from semcache.config import RemoteConfig
from semcache.errors import ConfigError, RemoteUnavailableError
from semcache.store.object_backend import Body
from semcache.store.object_paths import shown
from semcache.store.object_server import ObjectServer

if TYPE_CHECKING:
    import aiohttp

_BLOCK_BYTES = 1 << 20
_MAX_REDIRECTS = 5
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-")
_READ_ONLY = "a web server can only be read; publish to file, s3, gcs or hf"


class ObjectHttp(ObjectServer):
    """The objects below an http or https address."""

    def __init__(self, url: str, *, options: Mapping[str, Any], config: RemoteConfig) -> None:
        """Make the session; nothing is sent. Proxies are those of the environment."""
        if "?" in url or "#" in url:
            msg = f"remote: found {shown(url)} with a query, allowed an address to which paths can be added"
            raise ConfigError(msg)
        client_kwargs = {"trust_env": True, **options.get("client_kwargs", {})}
        super().__init__(url, options={**options, "client_kwargs": client_kwargs}, config=config)
        import aiohttp  # noqa: PLC0415 - an extra, which is there: the session was made

        self._aiohttp = aiohttp

    @contextmanager
    def stream(self, path: str, *, offset: int, limit_bytes: int, stopping: threading.Event) -> Iterator[Body]:
        """Read from where the server begins, which it says."""
        del limit_bytes
        with self.translated(path):
            response = self.run(self._get(path, offset), stopping=stopping, n_bytes=0)
        try:
            yield Body(_range_start(response) or 0, self._bytes(response, path, stopping))
        finally:
            self._fs.loop.call_soon_threadsafe(response.close)

    def size(self, path: str, *, stopping: threading.Event) -> int:
        """Ask for the head."""
        with self.translated(path):
            return int(self.run(self._head(path), stopping=stopping, n_bytes=0))

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Refuse."""
        del data, only_new, stopping
        raise RemoteUnavailableError(f"{self.url}/{path}", _READ_ONLY)

    def sizes(self, prefix: str, *, stopping: threading.Event) -> dict[str, int]:
        """Refuse."""
        del stopping
        raise RemoteUnavailableError(f"{self.url}/{prefix}", "a web server cannot be listed; use file, s3, gcs or hf")

    def delete(self, path: str, *, stopping: threading.Event) -> None:
        """Refuse."""
        del stopping
        raise RemoteUnavailableError(f"{self.url}/{path}", _READ_ONLY)

    async def _get(self, path: str, offset: int) -> aiohttp.ClientResponse:
        """Ask for an object from an offset on; anew from the start where the server does not give that."""
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        response = await self._ask("GET", path, ranged)
        is_elsewhere = response.status == 206 and _range_start(response) != offset
        if offset and (response.status == 416 or is_elsewhere):
            response.close()
            return await self._get(path, 0)
        response.raise_for_status()
        if response.status not in {200, 206} or is_elsewhere:
            response.close()
            raise RemoteUnavailableError(f"{self.url}/{path}", f"unexpected answer: HTTP {response.status}")
        if (coding := response.headers.get("Content-Encoding", "identity")) != "identity":
            response.close()
            msg = f"found Content-Encoding {coding:.20}, allowed none; switch compression off for this address"
            raise RemoteUnavailableError(f"{self.url}/{path}", msg)
        return response

    async def _head(self, path: str) -> int:
        """Ask for the length of an object."""
        response = await self._ask("HEAD", path, {})
        response.close()
        response.raise_for_status()
        if response.content_length is None:
            raise RemoteUnavailableError(f"{self.url}/{path}", "the server does not say how long this object is")
        return response.content_length

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        config = self._config
        timeout = self._aiohttp.ClientTimeout(sock_connect=config.connect_timeout_s, sock_read=config.stall_timeout_s)
        options = dict(self._fs.kwargs)
        headers = {**options.pop("headers", {}), "Accept-Encoding": "identity", **headers}
        url = self._fs.encode_url(f"{self._top}/{path}")
        session: aiohttp.ClientSession = await self._fs.set_session()
        options |= {"headers": headers, "timeout": timeout, "allow_redirects": True, "max_redirects": _MAX_REDIRECTS}
        return await session.request(method, url, **options)

    def _bytes(self, response: aiohttp.ClientResponse, path: str, stopping: threading.Event) -> Iterator[bytes]:
        while True:
            with self.translated(path):
                block: bytes = self.run(self._block(response), stopping=stopping, n_bytes=_BLOCK_BYTES)
            if not block:
                return
            yield block

    async def _block(self, response: aiohttp.ClientResponse) -> bytes:
        """Read about a MiB; where the connection breaks, first what came before, then the error."""
        block = bytearray()
        try:
            while len(block) < _BLOCK_BYTES and (piece := await response.content.readany()):
                block += piece
        except (self._aiohttp.ClientError, TimeoutError):
            if not block:
                raise
        return bytes(block)


def _range_start(response: aiohttp.ClientResponse) -> int | None:
    """Return where a part of an object begins, or None where the server does not say."""
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None
