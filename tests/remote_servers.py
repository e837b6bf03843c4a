"""Real servers on loopback for a remote: nginx over a folder, and an S3 server."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
TIMEOUT_S = 20
LAST_WORD = "last-word"
CONFIG = """
daemon off;
master_process off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    log_format sent '$request_method $uri $status $http_range $body_bytes_sent';
    access_log {folder}/access.log sent;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types *;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location = /{last_word} {{ return 204; }}
        limit_rate {rate};
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        url: where it is.
        log_path: what it logs.
    """

    url: str
    log_path: Path

    def log(self) -> list[str]:
        """Give a line for every request that was answered: method, path, status, range, bytes of the body."""
        with urlopen(f"{self.url}/{LAST_WORD}"):  # noqa: S310 - loopback; nginx logs what it answered before this
            pass
        return [line for line in self.log_path.read_text().splitlines() if LAST_WORD not in line]


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def nginx(root: Path, folder: Path, *, rate: str = "0") -> Iterator[Nginx]:
    """Serve a folder by nginx while the block runs.

    Args:
        root: what is served.
        folder: for its own files.
        rate: bytes a second for each connection, as nginx writes it; "0" for no limit.
    """
    assert NGINX is not None
    folder.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        CONFIG.format(user=user, folder=folder, port=port, root=root, rate=rate, last_word=LAST_WORD)
    )
    process = subprocess.Popen(
        [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for(port, process)
        yield Nginx(f"http://127.0.0.1:{port}", folder / "access.log")
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until somebody listens; an ended process is a failure with its words."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)  # there is nothing to wait on but its port
    msg = f"no server on port {port} after {TIMEOUT_S} s"
    raise AssertionError(msg)


@dataclass(frozen=True)
class S3:
    """A running S3 server with one bucket.

    Attributes:
        url: of the bucket.
        options: what `ObjectStore.open` needs to reach it.
    """

    url: str
    options: dict[str, Any]


_buckets = itertools.count()


@contextmanager
def s3() -> Iterator[S3]:
    """Run an S3 server with an empty bucket while the block runs."""
    import s3fs  # noqa: PLC0415 - a second that other tests need not pay
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"key": "key", "secret": "secret", "endpoint_url": f"http://{host}:{port}"}
        bucket = f"bucket{next(_buckets)}"  # moto keeps them for as long as the process lives, whatever the server
        s3fs.S3FileSystem(**options).mkdir(bucket)
        yield S3(f"s3://{bucket}", options)
    finally:
        server.stop()
