"""A web server on loopback that serves a few objects, or does with a request whatever a test wants."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

PATIENCE_S = 20.0
"""The longest that a connection is held, whatever a test forgets."""
ENDLESS_BYTES = 64 << 20
"""Where an endless body ends, so that a client that swallows it fails the test and not the machine."""


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        method, path: of the request line; no leading slash.
        headers: names in lower case.
        number: how many requests for this path came before.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    number: int

    @property
    def start(self) -> int:
        """Where the range that is asked for begins; 0 for none."""
        match = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("range", ""))
        return int(match[1]) if match else 0


Behaviour = Callable[["HostileServer", Request, bytes, socket.socket], None]
"""Answers a request for an object by whatever is sent on the connection, which is closed afterwards."""


class HostileServer(socketserver.ThreadingTCPServer):
    """The server; it notes every request, and how many bytes were sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, objects: Mapping[str, bytes], behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects, self.behave = objects, behave
        self.requests: list[Request] = []
        self.counts = Counter[str]()
        self.sent_bytes = 0
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that had enough does not wait."""


class _Handler(socketserver.StreamRequestHandler):
    server: HostileServer

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split(" ", 2)
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path = target.lstrip("/")
        with self.server.lock:
            request = Request(method, path, headers, self.server.counts[path])
            self.server.counts[path] += 1
            self.server.requests.append(request)
        body = self.server.objects.get(path)
        if body is None:
            send(self.connection, "404 Not Found", b"no such object" if method == "GET" else b"")
        else:
            self.server.behave(self.server, request, body, self.connection)


def send(connection: socket.socket, status: str, body: bytes, **headers: str | int) -> None:
    """Send a whole answer; `Content_Length` and other headers replace those that are right."""
    lines = {"Content_Length": len(body), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value != "")
    with suppress(OSError):
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)


def well(server: HostileServer, request: Request, body: bytes, connection: socket.socket) -> None:
    """Behave: ranges, and the head alone where that is asked for."""
    part = body[request.start :]
    status, headers = "200 OK", dict[str, str | int]()
    if request.start and not part:
        status = "416 Range Not Satisfiable"
    elif request.start:
        status = "206 Partial Content"
        headers["Content_Range"] = f"bytes {request.start}-{len(body) - 1}/{len(body)}"
    headers["Content_Length"] = len(part)
    sent = b"" if request.method == "HEAD" else part
    with server.lock:
        server.sent_bytes += len(sent)
    send(connection, status, sent, **headers)


def reset(connection: socket.socket) -> None:
    """End a connection as a crash does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def first(behave: Behaviour, *, n: int = 1, then: Behaviour = well) -> Behaviour:
    """Behave in one way for the first requests of each path, and then in another."""

    def both(server: HostileServer, request: Request, body: bytes, connection: socket.socket) -> None:
        (behave if request.number < n else then)(server, request, body, connection)

    return both


def answer(status: str, body: bytes = b"", **headers: str | int) -> Behaviour:
    """Answer everything in one way."""

    def same(_: HostileServer, __: Request, ___: bytes, connection: socket.socket) -> None:
        send(connection, status, body, **headers)

    return same


def break_off(server: HostileServer, _: Request, body: bytes, connection: socket.socket) -> None:
    """Send half, wait until it has arrived, and reset the connection."""
    send(connection, "200 OK", body[: len(body) // 2], Content_Length=len(body))
    server.ended.wait(0.2)  # the end overtakes what was not read
    reset(connection)


def cut(_: HostileServer, __: Request, body: bytes, connection: socket.socket) -> None:
    """Send half as if it were all."""
    send(connection, "200 OK", body[: len(body) // 2])


def cut_short(server: HostileServer, _: Request, body: bytes, connection: socket.socket) -> None:
    """Send half, announced as all, and close."""
    send(connection, "200 OK", body[: len(body) // 2], Content_Length=len(body))
    server.ended.wait(0.2)


def stall(server: HostileServer, _: Request, body: bytes, connection: socket.socket) -> None:
    """Send half, and then nothing any more."""
    send(connection, "200 OK", body[: len(body) // 2], Content_Length=len(body))
    server.ended.wait(PATIENCE_S)


def silent(server: HostileServer, _: Request, __: bytes, ___: socket.socket) -> None:
    """Take the request, and say nothing."""
    server.ended.wait(PATIENCE_S)


def ranges_ignored(_: HostileServer, __: Request, body: bytes, connection: socket.socket) -> None:
    """Send all of it, whatever part was asked for."""
    send(connection, "200 OK", body)


def range_elsewhere(_: HostileServer, request: Request, body: bytes, connection: socket.socket) -> None:
    """Give another part than was asked for, and say so."""
    if request.start:
        headers = {"Content_Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
        send(connection, "206 Partial Content", body, **headers)
    else:
        send(connection, "200 OK", body)


def range_of_lies(_: HostileServer, request: Request, body: bytes, connection: socket.socket) -> None:
    """Give other bytes than were asked for, and say that they are those."""
    if request.start:
        headers = {"Content_Range": f"bytes {request.start}-{len(body) - 1}/{len(body)}"}
        send(connection, "206 Partial Content", bytes(len(body) - request.start), **headers)
    else:
        send(connection, "200 OK", body)


def endless(server: HostileServer, _: Request, __: bytes, connection: socket.socket) -> None:
    """Send zeros until nobody takes them."""
    send(connection, "200 OK", b"", Content_Length="")
    with suppress(OSError):
        while server.sent_bytes < ENDLESS_BYTES:
            connection.sendall(bytes(1 << 16))
            server.sent_bytes += 1 << 16


@contextmanager
def hostile_http(objects: Mapping[str, bytes], behave: Behaviour = well) -> Iterator[HostileServer]:
    """Run a server while the block runs."""
    with HostileServer(objects, behave) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()
