"""The disk is full: a limit on the size of files, and a real small file system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crash_corpora import (
    NEW,
    NEW_CORPUS,
    OLD,
    OLD_CORPUS,
    answers,
    build_pairs,
    debris,
    listing,
    many_pairs,
    problems,
    write_pairs,
)
from crash_programs import cli, cli_with_file_limit, run
from sharing import NAME, Sharing, numbered

from semcache import check_bundle
from semcache.errors import StorageError
from semcache.store import transfer
from semcache.store.chunks import ChunkFolder, pack
from semcache.store.objects import ObjectStore


@pytest.mark.parametrize("limit_bytes", [0, 20, 1000, 10_000, 40_000])
def test_a_file_that_may_not_grow_fails_the_build_and_changes_nothing(tmp_path: Path, limit_bytes: int) -> None:
    """Exit code 1 and one line on stderr; the old version answers and every file is as before."""
    root = tmp_path / "indexes"
    build_pairs(root, OLD_CORPUS)
    before = listing(root)
    corpus = write_pairs(tmp_path / "new.jsonl", many_pairs(300))
    done = run(
        cli_with_file_limit, str(limit_bytes), "build", corpus, "--name", "small", "--root", root, "--model", "hashing"
    )
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("semcache: ")
    assert answers(root) == OLD
    assert listing(root) == before
    build_pairs(root, NEW_CORPUS)
    assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of a size, or skip the test where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)  # noqa: PLW1510 - looked at below
    if done.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("size", ["1m", "2m", "3m", "4m"])
def test_a_full_disk_fails_the_build_and_changes_nothing(tmp_path: Path, size: str) -> None:
    """Exit code 1 and one line on stderr; the old version answers, nothing is left; with room the build works."""
    corpus = write_pairs(tmp_path / "new.jsonl", many_pairs(8000))
    with small_file_system(tmp_path / "disk", size) as disk:
        root = disk / "indexes"
        build_pairs(root, OLD_CORPUS, corpora_dir=tmp_path)
        before = listing(root)
        arguments = ("build", str(corpus), "--name", "small", "--root", str(root), "--model", "hashing")
        done = run(cli, *arguments, "--workers", "1")
        assert (done.code, done.out) == (1, ""), done.err
        assert done.err.count("\n") == 1, done.err
        assert done.err.startswith("semcache: ")
        assert answers(root) == OLD
        assert listing(root) == before
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        build_pairs(root, NEW_CORPUS, corpora_dir=tmp_path)
        assert (answers(root), problems(root), debris(root)) == (NEW, [], [])


def test_a_disk_that_fills_during_a_fetch_keeps_whole_chunks_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else took the room that there was; once there is room again, the fetch goes on."""
    monkeypatch.setattr(transfer, "_check_room", lambda *_: None)
    store, source = ObjectStore.open(str(tmp_path / "remote")), ChunkFolder(tmp_path / "source")
    chunks = [pack(os.urandom(300_000)) for _ in range(4)]
    refs = [ref for ref, _ in chunks]
    for ref, data in chunks:
        source.add(ref, data)
    transfer.store_all(store, refs, source)
    with small_file_system(tmp_path / "small", "1400k") as small:
        (small / "ballast").write_bytes(bytes(500_000))
        folder = ChunkFolder(small / "chunks")
        with pytest.raises(StorageError, match="No space left on device; free some space and run the command again"):
            transfer.fetch_all(store, refs, folder)
        assert all(folder.load(ref) == data for ref, data in chunks if folder.has(ref))
        assert sum(folder.has(ref) for ref in refs) < 4
        (small / "ballast").unlink()
        transfer.fetch_all(store, refs, folder)
        assert [folder.load(ref) for ref in refs] == [data for _, data in chunks]


OLD_ENTRIES, NEW_ENTRIES = numbered(400), numbered(400, answer="other " * 50)
TEXT = str(OLD_ENTRIES[2]["query"])


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an unsigned remote of two releases, beside the root of a reader who has the first."""
    sharing = Sharing(tmp_path_factory.mktemp("remote"))
    sharing.publish(OLD_ENTRIES)
    sharing.pull()
    sharing.publish(NEW_ENTRIES)
    return sharing.folder


def pull_arguments(folder: Path, root: Path) -> tuple[str, ...]:
    """Give the command line of a pull."""
    return ("pull", str(folder / "remote"), NAME, "--root", str(root), "--allow-unsigned")


def test_a_pull_onto_a_disk_that_is_too_small_changes_nothing(tmp_path: Path, remote: Path) -> None:
    """With a little more room each time, until it is enough: a line that says so, and the old answers, until then."""
    n_failures = 0
    with small_file_system(tmp_path / "disk", "8m") as disk:
        reader = Sharing(disk)
        root = Path(shutil.copytree(remote / "reader", reader.pulled_root))
        for free_bytes in range(64 << 10, 8 << 20, 96 << 10):
            shutil.rmtree(root / "chunks")
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - free_bytes))
            done = run(cli, *pull_arguments(remote, root))
            (disk / "ballast").unlink()
            if done.code == 0:
                break
            n_failures += 1
            assert (done.code, done.out) == (1, ""), done.err
            assert "No space left on device" in done.err.splitlines()[-1]
            assert (reader.answer(TEXT), check_bundle(NAME, root=root)) == ("answer 2 of item2", [])
        assert reader.answer(TEXT) == "other " * 50 + " 2 of item2"
    assert n_failures >= 4
