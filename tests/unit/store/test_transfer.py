from __future__ import annotations

import random
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from semcache.errors import ChunkError, ObjectMissingError, RemoteUnavailableError, StorageError
from semcache.store import transfer
from semcache.store.chunks import ChunkFolder, pack
from semcache.store.object_folder import ObjectFolder
from semcache.store.objects import ObjectStore
from semcache.store.transfer import TransferReport, fetch_all, store_all

CHUNKS = [pack(random.Random(i).randbytes(20_000 + i)) for i in range(20)]
REFS = [ref for ref, _ in CHUNKS]
ALL_BYTES = sum(ref.size_bytes for ref in REFS)


class Refusing(ObjectFolder):
    """A folder that may not be written."""

    def write(self, path: str, data: bytes, *, only_new: bool, stopping: threading.Event) -> None:
        """Refuse."""
        del data, only_new, stopping
        raise RemoteUnavailableError(path, "no permission")


@pytest.fixture
def source(tmp_path: Path) -> ChunkFolder:
    """Give a folder with all chunks."""
    folder = ChunkFolder(tmp_path / "source")
    for ref, data in CHUNKS:
        folder.add(ref, data)
    return folder


@pytest.fixture
def remote(tmp_path: Path, source: ChunkFolder) -> ObjectStore:
    """Give a remote with all chunks."""
    store = ObjectStore.open(str(tmp_path / "remote"))
    store_all(store, REFS, source)
    return store


@pytest.mark.parametrize("n_workers", [1, 8, 64])
def test_what_is_missing_is_fetched(tmp_path: Path, remote: ObjectStore, n_workers: int) -> None:
    """All at first, then nothing, then what was lost."""
    folder = ChunkFolder(tmp_path / "chunks")
    assert fetch_all(remote, REFS, folder, n_workers=n_workers) == TransferReport(20, 20, ALL_BYTES)
    assert [folder.load(ref) for ref in REFS] == [data for _, data in CHUNKS]
    assert fetch_all(remote, REFS, folder, n_workers=n_workers) == TransferReport(20, 0, 0)
    folder.path_of(REFS[3]).unlink()
    assert fetch_all(remote, REFS, folder, n_workers=n_workers) == TransferReport(20, 1, REFS[3].size_bytes)


def test_what_the_remote_lacks_is_uploaded(tmp_path: Path, source: ChunkFolder) -> None:
    """All at first, then nothing, then what is there in another size."""
    store = ObjectStore.open(str(tmp_path / "remote"))
    assert store_all(store, REFS, source) == TransferReport(20, 20, ALL_BYTES)
    assert store_all(store, REFS, source) == TransferReport(20, 0, 0)
    store.write(REFS[3].path, b"cut")
    assert store_all(store, REFS, source) == TransferReport(20, 1, REFS[3].size_bytes)
    assert store.sizes() == {ref.path: ref.size_bytes for ref in REFS}


def test_a_chunk_that_is_named_twice_is_moved_once(tmp_path: Path, remote: ObjectStore) -> None:
    """Columns may share one."""
    report = fetch_all(remote, [REFS[0], REFS[1], REFS[0]], ChunkFolder(tmp_path / "chunks"))
    assert report == TransferReport(2, 2, REFS[0].size_bytes + REFS[1].size_bytes)


def test_nothing_to_move_is_no_failure(tmp_path: Path, remote: ObjectStore) -> None:
    """An unchanged bundle."""
    assert fetch_all(remote, [], ChunkFolder(tmp_path / "chunks")) == TransferReport(0, 0, 0)


@pytest.mark.parametrize("n_workers", [1, 8])
def test_a_missing_chunk_ends_the_fetch(tmp_path: Path, remote: ObjectStore, n_workers: int) -> None:
    """With its address; what came before stays, and nothing is half there."""
    remote.delete(REFS[5].path)
    folder = ChunkFolder(tmp_path / "chunks")
    with pytest.raises(ObjectMissingError, match=f"{REFS[5].path}: there is no such object"):
        fetch_all(remote, REFS, folder, n_workers=n_workers)
    assert not folder.has(REFS[5])
    assert {name for name, _ in folder.chunks()} <= {ref.sha256 for ref in REFS}


def test_a_damaged_chunk_of_the_publisher_is_not_uploaded(tmp_path: Path, source: ChunkFolder) -> None:
    """It is found when it is read."""
    source.path_of(REFS[0]).write_bytes(bytes(REFS[0].size_bytes))
    store = ObjectStore.open(str(tmp_path / "remote"))
    with pytest.raises(ChunkError, match="was damaged"):
        store_all(store, REFS[:1], source)
    assert store.sizes() == {}


def test_a_remote_that_refuses_ends_the_upload(tmp_path: Path, source: ChunkFolder) -> None:
    """With its reason."""
    with pytest.raises(RemoteUnavailableError, match="no permission"):
        store_all(ObjectStore(Refusing(tmp_path / "remote")), REFS, source)


def test_too_little_room_is_said_before_anything_is_fetched(
    tmp_path: Path, remote: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what there is and what it takes."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil gives it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6, 1000))
    folder = ChunkFolder(tmp_path / "chunks")
    with pytest.raises(StorageError, match=f"found 1000 bytes free, needed {ALL_BYTES}; free some space"):
        fetch_all(remote, REFS, folder)
    assert not folder.path.exists()


def test_what_another_loads_is_waited_for(tmp_path: Path, remote: ObjectStore) -> None:
    """And not loaded twice: here another has the first chunk, and finishes once all others are there."""
    folder = ChunkFolder(tmp_path / "chunks")
    ref, data = CHUNKS[0]
    with folder.part(ref) as part:

        def finish_last(done_bytes: int, _: int) -> None:
            if done_bytes == ALL_BYTES - ref.size_bytes and not part.is_finished:
                part.append(data)
                part.finish()

        report = fetch_all(remote, REFS, folder, n_workers=2, progress=finish_last)
    assert report == TransferReport(20, 20, ALL_BYTES - ref.size_bytes)
    assert folder.load(ref) == data


def test_what_another_loads_for_too_long_is_loaded_beside_it(
    tmp_path: Path, remote: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was suspended holds nobody up."""
    monkeypatch.setattr(transfer, "_LOCK_PATIENCE_S", 0.0)
    folder = ChunkFolder(tmp_path / "chunks")
    with folder.part(REFS[0]) as part:
        part.append(b"some")
        assert fetch_all(remote, REFS, folder) == TransferReport(20, 20, ALL_BYTES)
    assert folder.has(REFS[0])


def test_progress_is_told_in_the_callers_thread(tmp_path: Path, remote: ObjectStore) -> None:
    """Done bytes never exceed all, and end there."""
    told = []

    def listen(done_bytes: int, all_bytes: int) -> None:
        told.append((done_bytes, all_bytes, threading.current_thread()))

    fetch_all(remote, REFS, ChunkFolder(tmp_path / "chunks"), progress=listen)
    assert told[-1][:2] == (ALL_BYTES, ALL_BYTES)
    assert {thread for _, _, thread in told} == {threading.main_thread()}
    assert all(done <= ALL_BYTES == total for done, total, _ in told)
