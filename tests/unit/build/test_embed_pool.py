from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from semcache.build import embed_pool
from semcache.build.embed_pool import EmbedPool
from semcache.core.vectors import FloatRows

DIM = 2


class NumberEmbedder:
    """Gives each text the vector (its number, 1); can be told to do something first."""

    fingerprint, dim, max_tokens = "f", DIM, 100

    def __init__(self, before: Callable[[Sequence[str]], None] | None = None) -> None:
        self._before = before

    def count_tokens(self, text: str) -> int:
        """Count words."""
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Give (n, 2) rows."""
        if self._before is not None:
            self._before(texts)
        return np.array([[float(text), 1.0] for text in texts], dtype=np.float32)


def pool_of(
    path: Path, embedder: NumberEmbedder, *, n_rows: int, n_workers: int, on_rows: Callable[[int], None] | None = None
) -> EmbedPool:
    """Start a pool."""
    return EmbedPool(embedder, path / "v", n_rows=n_rows, n_workers=n_workers, on_rows=on_rows or (lambda _: None))


@pytest.mark.parametrize("n_workers", [1, 3])
def test_every_vector_lands_in_its_row(tmp_path: Path, n_workers: int) -> None:
    """Whichever worker embeds it, in whichever order."""
    with pool_of(tmp_path, NumberEmbedder(), n_rows=100, n_workers=n_workers) as pool:
        for start in range(0, 100, 7):
            pool.submit(start, [str(i) for i in range(start, min(start + 7, 100))])
        pool.drain()
        assert pool.vectors.tolist() == [[float(i), 1.0] for i in range(100)]


def test_vectors_are_float32_in_the_file_given(tmp_path: Path) -> None:
    """4 bytes a number, row by row."""
    with pool_of(tmp_path, NumberEmbedder(), n_rows=3, n_workers=1) as pool:
        pool.submit(0, ["5", "6", "7"])
        pool.drain()
    assert np.fromfile(tmp_path / "v", dtype=np.float32).tolist() == [5, 1, 6, 1, 7, 1]


def test_a_row_that_was_not_submitted_is_zero(tmp_path: Path) -> None:
    """As that of a text that is too long."""
    with pool_of(tmp_path, NumberEmbedder(), n_rows=2, n_workers=1) as pool:
        pool.submit(1, ["5"])
        pool.drain()
        assert pool.vectors.tolist() == [[0.0, 0.0], [5.0, 1.0]]


def test_vectors_can_be_read_after_the_pool_is_gone(tmp_path: Path) -> None:
    """The index is built from them."""
    with pool_of(tmp_path, NumberEmbedder(), n_rows=1, n_workers=1) as pool:
        pool.submit(0, ["5"])
        pool.drain()
        vectors = pool.vectors
    assert vectors.tolist() == [[5.0, 1.0]]


def test_the_caller_may_reuse_its_list(tmp_path: Path) -> None:
    """What was submitted is what is embedded."""
    go = threading.Event()

    def wait(_: Sequence[str]) -> None:
        go.wait()

    with pool_of(tmp_path, NumberEmbedder(wait), n_rows=1, n_workers=1) as pool:
        texts = ["5"]
        pool.submit(0, texts)
        texts[0] = "6"
        go.set()
        pool.drain()
        assert pool.vectors[0, 0] == 5.0


def test_progress_counts_every_row(tmp_path: Path) -> None:
    """Called with the size of each batch as it is done."""
    done: list[int] = []
    with pool_of(tmp_path, NumberEmbedder(), n_rows=5, n_workers=2, on_rows=done.append) as pool:
        pool.submit(0, ["0", "1", "2"])
        pool.submit(3, ["3", "4"])
        pool.drain()
    assert sorted(done) == [2, 3]


def test_no_number_of_workers_is_one_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 asks for all cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    before = set(threading.enumerate())
    with pool_of(tmp_path, NumberEmbedder(), n_rows=1, n_workers=0):
        assert len(set(threading.enumerate()) - before) == 3


class BrokenError(Exception):
    """What a worker fails with."""


def fail(_: Sequence[str]) -> None:
    """Fail in a worker."""
    raise BrokenError


def test_the_failure_of_a_worker_reaches_the_caller_at_the_end(tmp_path: Path) -> None:
    """A batch that was not embedded is never passed over."""
    with pool_of(tmp_path, NumberEmbedder(fail), n_rows=1, n_workers=1) as pool:
        pool.submit(0, ["0"])
        with pytest.raises(BrokenError):
            pool.drain()


def test_the_failure_of_a_worker_reaches_a_caller_that_goes_on(tmp_path: Path) -> None:
    """The queue fills up when nobody takes from it; submitting then raises instead of waiting for ever."""

    def submit_all(pool: EmbedPool) -> None:
        for row in range(1000):
            pool.submit(row, ["0"])

    with pool_of(tmp_path, NumberEmbedder(fail), n_rows=1000, n_workers=1) as pool, pytest.raises(BrokenError):
        submit_all(pool)


def test_the_failure_of_one_worker_of_many_reaches_the_caller(tmp_path: Path) -> None:
    """The others may have done their part."""

    def fail_on_seven(texts: Sequence[str]) -> None:
        if texts[0] == "7":
            raise BrokenError

    def embed_all(pool: EmbedPool) -> None:
        for row in range(20):
            pool.submit(row, [str(row)])
        pool.drain()

    pool = pool_of(tmp_path, NumberEmbedder(fail_on_seven), n_rows=20, n_workers=3)
    with pool, pytest.raises(BrokenError):
        embed_all(pool)


def test_a_failure_in_the_callback_reaches_the_caller(tmp_path: Path) -> None:
    """Progress is reported from the worker's thread."""

    def refuse(_: int) -> None:
        raise BrokenError

    with pool_of(tmp_path, NumberEmbedder(), n_rows=1, n_workers=1, on_rows=refuse) as pool:
        pool.submit(0, ["0"])
        with pytest.raises(BrokenError):
            pool.drain()


@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt])
def test_leaving_by_an_error_leaves_no_thread(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C in the middle, with work still queued: every worker ends before the block does."""
    before = set(threading.enumerate())

    def interrupted() -> None:
        with pool_of(tmp_path, NumberEmbedder(), n_rows=1000, n_workers=3) as pool:
            for row in range(6):
                pool.submit(row, [str(row)])
            raise error

    with pytest.raises(error):
        interrupted()
    assert set(threading.enumerate()) <= before


def test_leaving_while_workers_are_busy_waits_for_their_batch_only(tmp_path: Path) -> None:
    """What is queued behind it is dropped."""
    begun, embedded, pools = threading.Event(), list[str](), list[EmbedPool]()

    def busy(texts: Sequence[str]) -> None:
        embedded.extend(texts)
        begun.set()
        pools[0]._is_stopping.wait()

    def interrupted() -> None:
        with pool_of(tmp_path, NumberEmbedder(busy), n_rows=3, n_workers=1) as pool:
            pools.append(pool)
            for row in range(3):
                pool.submit(row, [str(row)])
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert embedded == ["0"]


def test_a_worker_that_failed_leaves_no_thread(tmp_path: Path) -> None:
    """Nor do the others."""
    before = set(threading.enumerate())
    with pool_of(tmp_path, NumberEmbedder(fail), n_rows=4, n_workers=3) as pool:
        pool.submit(0, ["0"])
        with pytest.raises(BrokenError):
            pool.drain()
    assert set(threading.enumerate()) <= before


def test_room_for_all_vectors_is_taken_first(tmp_path: Path) -> None:
    """A map of a hole on a full disk would end the process."""
    with pool_of(tmp_path, NumberEmbedder(), n_rows=10_000, n_workers=1):
        assert (tmp_path / "v").stat().st_blocks * 512 >= 10_000 * DIM * 4


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system has no posix_fallocate")
def test_a_full_disk_is_the_systems_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any worker is started."""

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="No space left on device"):
        pool_of(tmp_path, NumberEmbedder(), n_rows=1, n_workers=2)
    assert set(threading.enumerate()) <= before


def test_room_is_taken_by_writing_where_the_system_cannot_reserve_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block by block, to the last byte."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(embed_pool, "_BLOCK_BYTES", 100)
    with pool_of(tmp_path, NumberEmbedder(), n_rows=40, n_workers=1) as pool:
        assert (tmp_path / "v").stat().st_size == 320
        assert not pool.vectors.any()


def test_a_place_that_cannot_be_written_is_the_systems_error(tmp_path: Path) -> None:
    """And no worker was started for it."""
    before = set(threading.enumerate())
    with pytest.raises(FileNotFoundError):
        pool_of(tmp_path / "none", NumberEmbedder(), n_rows=1, n_workers=2)
    assert set(threading.enumerate()) <= before
