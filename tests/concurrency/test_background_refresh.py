"""Cache.open(refresh_every_s=): what is live is followed in the background."""

from __future__ import annotations

import gc
import logging
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lease_programs
import orjson
import pytest
from driving import command_of
from shared import ENTRIES

from semcache import BuildReport, Cache
from semcache.errors import BundleCorruptError, CacheClosedError
from semcache.lookup.poller import Poller
from semcache.remote.rollback import rollback

Build = Callable[..., BuildReport]
N_PROCESSES, N_SWITCHES, WAIT_S = 4, 12, 60.0


class Refreshing:
    """Stands for a cache: counts refreshes, each of which does what comes next in a list; then it says so."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes = iter(outcomes)
        self.is_done = threading.Event()

    def refresh(self) -> bool:
        """Do what comes next."""
        try:
            outcome = next(self._outcomes)
        except StopIteration:
            self.is_done.set()
            return False
        if outcome is not None:
            raise outcome
        return True


def polling() -> list[threading.Thread]:
    """Give the threads that follow."""
    return [thread for thread in threading.enumerate() if thread.name == "semcache-refresh"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """See that each test ends its threads."""
    yield
    for thread in polling():
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_new_version_is_taken_without_a_call(bundle_dir: Path, build: Build) -> None:
    """Some time after it went live."""
    with Cache.open(bundle_dir, refresh_every_s=0.01) as cache:
        new = build([{**entry, "answer": "new"} for entry in ENTRIES]).id
        waited = threading.Event()
        for _ in range(int(WAIT_S / 0.01)):
            if cache.info.id == new or waited.wait(0.01):
                break
        assert cache.info.id == new


def test_failures_are_logged_once_until_one_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    """And end nothing."""
    broken = BundleCorruptError("/a", "is broken")
    cache = Refreshing(broken, broken, None, broken, broken)
    with caplog.at_level(logging.WARNING):
        poller = Poller(cache, every_s=0.001)
        assert cache.is_done.wait(WAIT_S)
        poller.close()
    message = "what is live now cannot be opened, the version before stays in use: /a: is broken"
    assert [record.getMessage() for record in caplog.records] == [message, message]


def test_closing_ends_the_thread(bundle_dir: Path) -> None:
    """However long it would have waited, and also where it is closed twice."""
    cache = Cache.open(bundle_dir, refresh_every_s=86_400)
    assert len(polling()) == 1
    cache.close()
    cache.close()
    assert polling() == []


def test_a_cache_that_is_closed_elsewhere_ends_the_thread() -> None:
    """The thread asks it once more and goes."""
    cache = Refreshing(CacheClosedError())
    poller = Poller(cache, every_s=0.5)
    (thread,) = polling()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    poller.close()


def test_a_cache_that_nobody_holds_is_not_kept(bundle_dir: Path) -> None:
    """Following it does not keep it open; its thread ends with it."""
    cache = Cache.open(bundle_dir, refresh_every_s=86_400)
    (thread,) = polling()
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    thread.join(WAIT_S)
    assert (gone(), thread.is_alive()) == (None, False)


def test_four_processes_follow_many_switches_under_load(bundle_dir: Path, build: Build) -> None:
    """No error, and no answer that is of neither version: each is the one of the version that it names."""
    first = (bundle_dir / "CURRENT").read_text("ascii").strip()
    second = build([{**entry, "answer": f"second {entry['id']}"} for entry in ENTRIES]).id
    answers = {first: ["Write the spec of the login first.\nThen plan it."], second: ["second login/add"]}
    readers = [_start(bundle_dir) for _ in range(N_PROCESSES)]
    try:
        for i in range(N_SWITCHES):
            rollback("small", (first, second)[i % 2], root=bundle_dir.parent)
        rollback("small", first, root=bundle_dir.parent)
        for reader in readers:
            _wait_for(reader, first)
        rollback("small", second, root=bundle_dir.parent)
        for reader in readers:
            _wait_for(reader, second)
        seen = [_end(reader) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()
    assert seen == [answers] * N_PROCESSES


def _start(bundle_dir: Path) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(command_of(lease_programs.follow, bundle_dir), stdin=pipe, stdout=pipe, stderr=pipe)
    _wait_for(process, "open")
    return process


def _wait_for(process: subprocess.Popen[bytes], word: str) -> None:
    """Read what a process says until it is a word; at once where it said so before."""
    said: set[Any] = vars(process).setdefault("said", set())
    assert process.stdout is not None
    while word not in said:
        line = process.stdout.readline()
        assert line, f"ended before it said {word}"
        said.add(orjson.loads(line))


def _end(process: subprocess.Popen[bytes]) -> Any:
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (0, b"")
    return orjson.loads(out.splitlines()[-1])
