"""What a web server may do to a download: each time it is right in the end, or refused with its own reason."""

from __future__ import annotations

import random
import re
import threading
import time
from pathlib import Path

import pytest
from hostile_http import (
    ENDLESS_BYTES,
    Behaviour,
    HostileServer,
    Request,
    answer,
    break_off,
    cut,
    cut_short,
    endless,
    first,
    hostile_http,
    range_elsewhere,
    range_of_lies,
    ranges_ignored,
    silent,
    stall,
    well,
)

from semcache.config import RemoteConfig
from semcache.errors import ChunkError, ObjectMissingError, ObjectTooLargeError, RemoteError, RemoteUnavailableError
from semcache.store.chunks import ChunkFolder, pack
from semcache.store.objects import ObjectStore
from semcache.store.transfer import fetch_all

CONFIG = RemoteConfig(connect_timeout_s=2.0, stall_timeout_s=0.5, n_retries=2, first_wait_s=0.01)
CHUNKS = [pack(random.Random(i).randbytes(200_000)) for i in range(3)]
REF, DATA = CHUNKS[0]
HALF = len(DATA) // 2
OBJECTS = {REF.path: DATA, "metadata/1.json": b"0123456789"}


def fetch(server: HostileServer, folder: Path, *, begun: bytes = b"") -> ChunkFolder:
    """Fetch the first chunk, of which a part is there already."""
    chunks = ChunkFolder(folder)
    if begun:
        with chunks.part(REF) as part:
            part.append(begun)
    fetch_all(ObjectStore.open(server.url, config=CONFIG), [REF], chunks)
    return chunks


def starts(server: HostileServer) -> list[int]:
    """Give where each request for the chunk began."""
    return [request.start for request in server.requests]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep loopback out of a proxy's hands."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("behave", [break_off, cut_short, stall], ids=lambda behave: behave.__name__)
def test_a_download_that_breaks_off_is_gone_on_with(tmp_path: Path, behave: Behaviour) -> None:
    """What came before is not asked for again."""
    with hostile_http(OBJECTS, first(behave)) as server:
        assert fetch(server, tmp_path).load(REF) == DATA
        begin, again = starts(server)
        assert (begin, 0 < again <= HALF) == (0, True)


@pytest.mark.parametrize("behave", [ranges_ignored, range_elsewhere], ids=lambda behave: behave.__name__)
def test_a_server_without_ranges_gives_the_whole_chunk(tmp_path: Path, behave: Behaviour) -> None:
    """It says where its bytes begin, and what was there is dropped."""
    with hostile_http(OBJECTS, behave) as server:
        assert fetch(server, tmp_path, begun=DATA[:1000]).load(REF) == DATA


def test_a_server_that_lies_about_a_range_is_asked_for_all_of_it(tmp_path: Path) -> None:
    """The hash of the whole shows it."""
    with hostile_http(OBJECTS, range_of_lies) as server:
        assert fetch(server, tmp_path, begun=DATA[:1000]).load(REF) == DATA
        assert starts(server) == [1000, 0]


def test_a_server_that_breaks_off_and_then_lies_is_asked_for_all_of_it(tmp_path: Path) -> None:
    """Within one fetch as after a part of an earlier one."""
    with hostile_http(OBJECTS, first(break_off, then=range_of_lies)) as server:
        assert fetch(server, tmp_path).load(REF) == DATA
        begin, middle, again = starts(server)
        assert (begin, 0 < middle <= HALF, again) == (0, True, 0)


@pytest.mark.parametrize("begun", [bytes(1000), bytes(len(DATA)), DATA + b"x", bytes(3 * len(DATA))])
def test_a_damaged_part_is_dropped(tmp_path: Path, begun: bytes) -> None:
    """Wrong, or longer than the chunk."""
    with hostile_http(OBJECTS) as server:
        assert fetch(server, tmp_path, begun=begun).load(REF) == DATA


def test_a_part_that_is_whole_is_not_fetched(tmp_path: Path) -> None:
    """The process was killed before it could give the chunk its name."""
    with hostile_http(OBJECTS) as server:
        assert fetch(server, tmp_path, begun=DATA).load(REF) == DATA
        assert server.requests == []


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (cut, f"found {HALF} bytes, allowed this chunk of {len(DATA)} bytes"),
        (answer("200 OK", bytes(len(DATA))), f"found {len(DATA)} other bytes, allowed this chunk of {len(DATA)} bytes"),
        (answer("200 OK", b""), f"found 0 bytes, allowed this chunk of {len(DATA)} bytes"),
        (
            answer("200 OK", b"\n<!DOCTYPE html><title>Log in</title>", Content_Type="text/html"),
            "found a web page, allowed this chunk",
        ),
        (answer("200 OK", CHUNKS[1][1]), f"found {len(CHUNKS[1][1])} other bytes, allowed this chunk"),
        (answer("200 OK", DATA + b"x"), f"found more than {len(DATA)} bytes, allowed this chunk"),
        (endless, f"found more than {len(DATA)} bytes, allowed this chunk"),
    ],
    ids=["cut", "zeros", "empty", "web page", "another chunk", "longer", "endless"],
)
@pytest.mark.parametrize("begun", [b"", DATA[:1000]], ids=["new", "resumed"])
def test_other_bytes_are_refused_and_not_kept(tmp_path: Path, behave: Behaviour, reason: str, begun: bytes) -> None:
    """With what was sent instead, and where."""
    with hostile_http(OBJECTS, behave) as server:
        with pytest.raises(ChunkError, match=re.escape(reason)) as caught:
            fetch(server, tmp_path, begun=begun)
        assert caught.value.url == f"{server.url}/{REF.path}"
        assert server.sent_bytes < ENDLESS_BYTES / 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_wrong_length_is_refused(tmp_path: Path) -> None:
    """As a broken answer or as a wrong chunk: the library for HTTP may see it first."""
    with hostile_http(OBJECTS, answer("200 OK", DATA, Content_Length=HALF)) as server, pytest.raises(RemoteError):
        fetch(server, tmp_path)
    assert not ChunkFolder(tmp_path).has(REF)


def redirect(server: HostileServer, request: Request, _: bytes, connection: object) -> None:
    """Send in a circle."""
    answer("302 Found", Location=f"/{request.path}")(server, request, b"", connection)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("behave", "reason", "n_requests"),
    [
        (silent, "no answer in time (2 s to connect, 0.5 s without a byte); try again later", 3),
        (answer("500 Internal Server Error"), "HTTP 500; try again later", 3),
        (answer("503 Service Unavailable"), "HTTP 503; try again later", 3),
        (answer("429 Too Many Requests"), "HTTP 429; try again later", 3),
        (answer("400 Bad Request"), "HTTP 400; check the address and the options of this remote", 1),
        (answer("403 Forbidden"), "no permission; check the credentials of this remote, and that they may do this", 1),
        (answer("401 Unauthorized"), "no permission; check the credentials", 1),
        (answer("204 No Content"), "unexpected answer: HTTP 204", 1),
        (answer("200 OK", b"x", Content_Encoding="gzip"), "found Content-Encoding gzip, allowed none", 1),
        (answer("206 Partial Content", b"x", Content_Range="bytes 3-3/4"), "unexpected answer: HTTP 206", 1),
        (redirect, "redirects that do not end", 5),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_refusal_says_why_and_is_asked_again_only_where_it_may_pass(
    behave: Behaviour, reason: str, n_requests: int
) -> None:
    """Stalls and errors of the server may; permissions and addresses do not mend themselves."""
    with hostile_http(OBJECTS, behave) as server:
        with pytest.raises(RemoteUnavailableError, match=re.escape(reason)) as caught:
            ObjectStore.open(server.url, config=CONFIG).read("metadata/1.json", limit_bytes=10)
        assert str(caught.value).startswith(f"{server.url}/metadata/1.json: ")
        assert len(server.requests) == n_requests


def test_a_server_that_mends_is_enough() -> None:
    """Two failures, then the object."""
    with hostile_http(OBJECTS, first(answer("502 Bad Gateway"), n=2)) as server:
        assert ObjectStore.open(server.url, config=CONFIG).read("metadata/1.json", limit_bytes=10) == b"0123456789"


def test_a_small_object_that_breaks_off_is_read_anew() -> None:
    """A half of it is never given."""
    with hostile_http(OBJECTS, first(cut_short)) as server:
        assert ObjectStore.open(server.url, config=CONFIG).read("metadata/1.json", limit_bytes=10) == b"0123456789"


def test_an_endless_small_object_is_refused() -> None:
    """After about as much as it may have."""
    with hostile_http(OBJECTS, endless) as server:
        with pytest.raises(ObjectTooLargeError, match="is larger than the 10 bytes that are allowed"):
            ObjectStore.open(server.url, config=CONFIG).read("metadata/1.json", limit_bytes=10)
        assert server.sent_bytes < ENDLESS_BYTES / 2


def test_a_missing_object_is_missing() -> None:
    """At once, for reading and for asking."""
    with hostile_http(OBJECTS) as server:
        store = ObjectStore.open(server.url, config=CONFIG)
        with pytest.raises(ObjectMissingError):
            store.read("metadata/2.json", limit_bytes=10)
        assert (store.exists("metadata/2.json"), store.size("metadata/1.json")) == (False, 10)
        assert len(server.requests) == 3


def test_nothing_compressed_is_asked_for() -> None:
    """A range of something compressed would be a range of what?"""
    with hostile_http(OBJECTS) as server:
        ObjectStore.open(server.url, config=CONFIG).read("metadata/1.json", limit_bytes=10)
        assert server.requests[0].headers["accept-encoding"] == "identity"


def test_headers_of_the_user_are_sent() -> None:
    """Tokens, for a server that wants one."""
    with hostile_http(OBJECTS) as server:
        store = ObjectStore.open(server.url, storage_options={"headers": {"Authorization": "Bearer x"}}, config=CONFIG)
        store.read("metadata/1.json", limit_bytes=10)
        assert server.requests[0].headers["authorization"] == "Bearer x"


def test_a_password_in_the_address_is_not_shown() -> None:
    """Neither in the message nor in a field."""
    with hostile_http(OBJECTS, answer("403 Forbidden")) as server:
        store = ObjectStore.open(server.url.replace("http://", "http://me:secret@"), config=CONFIG)
        with pytest.raises(RemoteUnavailableError) as caught:
            store.read("metadata/1.json", limit_bytes=10)
        assert (store.url, caught.value.url) == (server.url, f"{server.url}/metadata/1.json")
        assert "secret" not in str(caught.value)


def test_the_first_failure_stops_all_workers(tmp_path: Path) -> None:
    """Also those that wait for a server which says nothing, long before they would give up."""
    missing, _ = pack(b"never published")
    objects = {ref.path: data for ref, data in CHUNKS}
    patient = RemoteConfig(stall_timeout_s=60.0)
    with hostile_http(objects, silent) as server:
        began = time.monotonic()
        with pytest.raises(ObjectMissingError):
            fetch_all(
                ObjectStore.open(server.url, config=patient), [*(r for r, _ in CHUNKS), missing], ChunkFolder(tmp_path)
            )
        assert time.monotonic() - began < 30
    assert threading.active_count() < 20


def test_an_error_of_the_listener_stops_all_workers(tmp_path: Path) -> None:
    """As Ctrl-C does: it is raised in the thread that called."""

    def interrupt(done_bytes: int, all_bytes: int) -> None:
        raise KeyboardInterrupt(done_bytes, all_bytes)

    with hostile_http(OBJECTS, silent) as server:
        store = ObjectStore.open(server.url, config=RemoteConfig(stall_timeout_s=60.0))
        with pytest.raises(KeyboardInterrupt):
            fetch_all(store, [REF], ChunkFolder(tmp_path), progress=interrupt)


def test_the_listener_is_told_all_bytes_in_the_end(tmp_path: Path) -> None:
    """What came and what there is, also where some had to come twice."""
    told = []
    with hostile_http({ref.path: data for ref, data in CHUNKS}, first(break_off, then=ranges_ignored)) as server:
        store = ObjectStore.open(server.url, config=CONFIG)
        report = fetch_all(
            store, [r for r, _ in CHUNKS], ChunkFolder(tmp_path), progress=lambda done, all_: told.append((done, all_))
        )
    total = sum(ref.size_bytes for ref, _ in CHUNKS)
    assert told[-1] == (total, total)
    assert {all_bytes for _, all_bytes in told} == {total}
    assert (report.n_chunks, report.n_moved, report.moved_bytes > total) == (3, 3, True)


def test_the_server_of_these_tests_behaves_where_it_should(tmp_path: Path) -> None:
    """What the others rest on."""
    with hostile_http(OBJECTS, well) as server:
        assert fetch(server, tmp_path, begun=DATA[:1000]).load(REF) == DATA
        assert (starts(server), server.sent_bytes) == ([1000], len(DATA) - 1000)
