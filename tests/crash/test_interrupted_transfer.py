"""Fetches and writes that die, at every step and for real; and two that load the same."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from crash_disk import Disk, PowerLossFileSystem, restore
from crash_steps import Crash
from remote_servers import NGINX, Nginx, nginx
from transfer_programs import TIMEOUT_S, release, start, write_refs

from semcache.store.chunks import ChunkFolder, pack
from semcache.store.fsio import FileSystem
from semcache.store.object_folder import ObjectFolder
from semcache.store.objects import ObjectStore
from semcache.store.transfer import fetch_all, store_all

CHUNKS = [pack(random.Random(i).randbytes(2_000_000)) for i in range(4)]
REFS = [ref for ref, _ in CHUNKS]
ALL_BYTES = sum(ref.size_bytes for ref in REFS)
needs_nginx = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Give a published remote as a folder."""
    source = ChunkFolder(tmp_path / "source")
    for ref, data in CHUNKS:
        source.add(ref, data)
    store_all(ObjectStore.open(str(tmp_path / "remote")), REFS, source)
    return tmp_path / "remote"


@pytest.fixture
def slow(tmp_path: Path, remote: Path) -> Iterator[Nginx]:
    """Give an nginx that sends a MB a second on each connection."""
    with nginx(remote, tmp_path / "nginx", rate="1m") as server:
        yield server


@needs_nginx
def test_a_killed_fetch_is_gone_on_with(tmp_path: Path, remote: Path, slow: Nginx) -> None:
    """By SIGKILL in the middle: nothing wrong has a chunk's name, and what had come is not fetched again."""
    folder = ChunkFolder(tmp_path / "chunks")
    process = start(slow.url, folder.path, write_refs(tmp_path / "refs", REFS))
    release(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    came = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    assert 0 < came < ALL_BYTES
    assert all(folder.load(ref) == data for ref, data in CHUNKS if folder.has(ref))
    with nginx(remote, tmp_path / "quick") as quick:
        report = fetch_all(ObjectStore.open(quick.url), REFS, folder)
        assert sum(int(line.split()[-1]) for line in quick.log()) == report.moved_bytes
    assert report.moved_bytes == ALL_BYTES - came
    assert [folder.load(ref) for ref in REFS] == [data for _, data in CHUNKS]
    assert len([path for path in folder.path.rglob("*") if path.is_file()]) == 4


@needs_nginx
def test_two_processes_that_fetch_the_same_share_the_work(tmp_path: Path, slow: Nginx) -> None:
    """Each chunk comes once, and both have all of them."""
    folder, refs = ChunkFolder(tmp_path / "chunks"), write_refs(tmp_path / "refs", REFS)
    processes = [start(slow.url, folder.path, refs) for _ in range(2)]
    for process in processes:
        release(process)
    outs = [process.communicate(timeout=TIMEOUT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(int(out.splitlines()[-1]) for out in outs) == ALL_BYTES
    assert [folder.load(ref) for ref in REFS] == [data for _, data in CHUNKS]


def test_a_loss_of_power_leaves_whole_chunks_only(tmp_path: Path) -> None:
    """At every step of adding one: what has its name has its bytes, and adding again succeeds."""
    ref, data = pack(b"0123456789" * 100)
    for stop_at in count(1):
        top = tmp_path / str(stop_at)
        top.mkdir()
        with Disk(top) as disk:

            def add(fs: FileSystem, top: Path = top) -> None:
                ChunkFolder(top / "chunks", fs=fs).add(ref, data)

            is_over = not _dies(add, disk, stop_at)
            for number, tree in enumerate(disk.outcomes()):
                restore(tree, tmp_path / f"{stop_at}-{number}")
                folder = ChunkFolder(tmp_path / f"{stop_at}-{number}" / "chunks")
                assert folder.has(ref) or not is_over, stop_at
                assert not folder.path_of(ref).exists() or folder.load(ref) == data, stop_at
                folder.add(ref, data)
                assert folder.load(ref) == data
        if is_over:
            break
    assert stop_at >= 5


@pytest.mark.parametrize("only_new", [False, True])
def test_a_loss_of_power_leaves_whole_objects_only(tmp_path: Path, only_new: bool) -> None:  # noqa: FBT001 - the value under test
    """At every step of a write to a folder: a reader sees what was there, or all of what was written."""
    old = None if only_new else b"old"
    for stop_at in count(1):
        top = tmp_path / str(stop_at)
        top.mkdir()
        if old is not None:
            ObjectStore(ObjectFolder(top)).write("a/b", old)
        with Disk(top) as disk:

            def write(fs: FileSystem, top: Path = top) -> None:
                ObjectStore(ObjectFolder(top, fs=fs)).write("a/b", b"new!", only_new=only_new)

            is_over = not _dies(write, disk, stop_at)
            for number, tree in enumerate(disk.outcomes()):
                restore(tree, tmp_path / f"{stop_at}-{number}")
                store = ObjectStore.open(str(tmp_path / f"{stop_at}-{number}"))
                found = store.read("a/b", limit_bytes=4) if store.exists("a/b") else None
                assert found in ([b"new!"] if is_over else [old, b"new!"]), stop_at
        if is_over:
            break
    assert stop_at >= 4


def _dies(write: Callable[[FileSystem], object], disk: Disk, stop_at: int) -> bool:
    """Write until the power is lost at a step; return whether it came to that."""
    try:
        write(PowerLossFileSystem(disk, stop_at))
    except Crash:
        return True
    return False


def test_ctrl_c_keeps_what_has_come(tmp_path: Path, remote: Path) -> None:
    """It is raised after all workers have ended."""
    folder, n_before = ChunkFolder(tmp_path / "chunks"), threading.active_count()

    def interrupt(done_bytes: int, _: int) -> None:
        if done_bytes:
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        fetch_all(ObjectStore.open(str(remote)), REFS, folder, n_workers=1, progress=interrupt)
    assert threading.active_count() == n_before
    fetch_all(ObjectStore.open(str(remote)), REFS, folder)
    assert [folder.load(ref) for ref in REFS] == [data for _, data in CHUNKS]
