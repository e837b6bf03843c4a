"""The same promises over servers that are used in the world: nginx and S3."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from remote_servers import NGINX, S3, Nginx, nginx, s3

from semcache.config import RemoteConfig
from semcache.errors import (
    ObjectExistsError,
    ObjectMissingError,
    ObjectTooLargeError,
    RemoteUnavailableError,
)
from semcache.store.chunks import ChunkFolder, pack
from semcache.store.objects import ObjectStore
from semcache.store.transfer import TransferReport, fetch_all, store_all

QUICK = RemoteConfig(n_retries=1, first_wait_s=0.01)
CHUNKS = [pack(random.Random(i).randbytes(300_000)) for i in range(12)]
LARGE = pack(random.Random(99).randbytes(9_000_000))
REFS = [ref for ref, _ in [*CHUNKS, LARGE]]
ALL_BYTES = sum(ref.size_bytes for ref in REFS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ChunkFolder:
    """Give a folder with all chunks."""
    folder = ChunkFolder(tmp_path_factory.mktemp("source"))
    for ref, data in [*CHUNKS, LARGE]:
        folder.add(ref, data)
    return folder


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, source: ChunkFolder) -> Iterator[Nginx]:
    """Give an nginx that serves a published remote."""
    if NGINX is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    root, own = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("nginx")
    store = ObjectStore.open(str(root))
    store_all(store, REFS, source)
    store.write("metadata/1.json", b"0123456789" * 1000)
    with nginx(root, own / "run") as server:
        yield server


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3]:
    """Give an S3 server."""
    with s3() as server:
        yield server


def open_s3(bucket: S3, prefix: str) -> ObjectStore:
    """Open a remote below a prefix of the bucket."""
    return ObjectStore.open(f"{bucket.url}/{prefix}", storage_options=bucket.options, config=QUICK)


def test_nginx_gives_what_is_missing(tmp_path: Path, web: Nginx) -> None:
    """All at first, then nothing; every byte is what was published."""
    store, folder = ObjectStore.open(web.url, config=QUICK), ChunkFolder(tmp_path)
    assert fetch_all(store, REFS, folder) == TransferReport(13, 13, ALL_BYTES)
    assert [folder.load(ref) for ref, _ in CHUNKS] == [data for _, data in CHUNKS]
    assert fetch_all(store, REFS, folder) == TransferReport(13, 0, 0)


def test_nginx_gives_the_rest_of_a_part(tmp_path: Path, web: Nginx) -> None:
    """And sends no more than that."""
    ref, data = LARGE
    folder = ChunkFolder(tmp_path)
    with folder.part(ref) as part:
        part.append(data[:8_000_000])
    report = fetch_all(ObjectStore.open(web.url, config=QUICK), [ref], folder)
    assert (report.moved_bytes, folder.load(ref) == data) == (ref.size_bytes - 8_000_000, True)
    assert web.log()[-1] == f"GET /{ref.path} 206 bytes=8000000- {ref.size_bytes - 8_000_000}"


def test_nginx_gives_small_objects(web: Nginx) -> None:
    """As they are, though it compresses what it may; sizes and what is missing too."""
    store = ObjectStore.open(web.url + "/", config=QUICK)
    assert store.read("metadata/1.json", limit_bytes=10_000) == b"0123456789" * 1000
    assert (store.size("metadata/1.json"), store.exists("metadata/2.json")) == (10_000, False)
    with pytest.raises(ObjectMissingError):
        store.read("metadata/2.json", limit_bytes=10_000)
    with pytest.raises(ObjectTooLargeError):
        store.read("metadata/1.json", limit_bytes=9_999)


def test_a_web_server_is_not_written(web: Nginx) -> None:
    """And not listed; the error says what can be."""
    store = ObjectStore.open(web.url, config=QUICK)
    with pytest.raises(RemoteUnavailableError, match="a web server can only be read; publish to file, s3, gcs"):
        store.write("a", b"1")
    with pytest.raises(RemoteUnavailableError, match="a web server can only be read; publish to file, s3, gcs"):
        store.delete("a")
    with pytest.raises(RemoteUnavailableError, match="a web server cannot be listed"):
        store.sizes("chunks")


def test_a_server_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    """With its address, and to try again."""
    store = ObjectStore.open("http://127.0.0.1:9", config=QUICK)
    with pytest.raises(RemoteUnavailableError, match=r"^http://127\.0\.0\.1:9/chunks/.*; try again later$"):
        fetch_all(store, REFS[:1], ChunkFolder(tmp_path))


def test_s3_takes_and_gives_chunks(tmp_path: Path, bucket: S3, source: ChunkFolder) -> None:
    """Each once, large ones in several ranges."""
    store = open_s3(bucket, "chunks/of/one")
    assert store_all(store, REFS, source) == TransferReport(13, 13, ALL_BYTES)
    assert store_all(store, REFS, source) == TransferReport(13, 0, 0)
    folder = ChunkFolder(tmp_path)
    assert fetch_all(store, REFS, folder) == TransferReport(13, 13, ALL_BYTES)
    assert [folder.load(ref) for ref, _ in CHUNKS] == [data for _, data in CHUNKS]
    assert store.sizes("chunks") == {ref.path: ref.size_bytes for ref in sorted(REFS, key=lambda ref: ref.path)}


def test_s3_gives_the_rest_of_a_part(tmp_path: Path, bucket: S3, source: ChunkFolder) -> None:
    """And no more."""
    store, folder = open_s3(bucket, "rest"), ChunkFolder(tmp_path)
    store_all(store, [LARGE[0]], source)
    with folder.part(LARGE[0]) as part:
        part.append(LARGE[1][:8_000_000])
    assert fetch_all(store, [LARGE[0]], folder).moved_bytes == LARGE[0].size_bytes - 8_000_000
    assert folder.load(LARGE[0]) == LARGE[1]


def test_s3_has_one_writer_of_what_must_be_new(bucket: S3) -> None:
    """Of eight at the same time; the others are told, and replace nothing."""
    store, barrier = open_s3(bucket, "new"), threading.Barrier(8)

    def write(number: int) -> int | None:
        barrier.wait()
        try:
            store.write("metadata/2.json", f"writer {number}".encode(), only_new=True)
        except ObjectExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(8)) if number is not None]
    assert [f"writer {number}".encode() for number in winners] == [store.read("metadata/2.json", limit_bytes=100)]


def test_s3_gives_small_objects(bucket: S3) -> None:
    """Read, replaced, missing, too large, listed, deleted."""
    store = open_s3(bucket, "small")
    store.write("a/1", b"one")
    store.write("a/1", b"two!")
    assert (store.read("a/1", limit_bytes=4), store.size("a/1")) == (b"two!", 4)
    assert (store.size("a"), store.exists("a/2"), store.sizes(), store.sizes("b")) == (None, False, {"a/1": 4}, {})
    with pytest.raises(ObjectTooLargeError):
        store.read("a/1", limit_bytes=3)
    with pytest.raises(ObjectMissingError):
        store.read("a/2", limit_bytes=3)
    store.delete("a/1")
    store.delete("a/1")
    assert store.sizes() == {}


def test_a_bucket_that_is_not_there_is_missing(bucket: S3) -> None:
    """For reading and for writing."""
    store = ObjectStore.open("s3://nobody", storage_options=bucket.options, config=QUICK)
    with pytest.raises(
        ObjectMissingError, match=r"^s3://nobody/a: there is no such object; check the remote's address"
    ):
        store.read("a", limit_bytes=1)
    with pytest.raises(ObjectMissingError):
        store.write("a", b"1")
