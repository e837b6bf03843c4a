"""Programs about what outlives what: each runs in a process of its own, since a mistake here ends a process."""

from __future__ import annotations

import gc
import mmap
import random
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from driving import report

from semcache import BuildConfig, Cache, Hit, build_bundle
from semcache.errors import CacheClosedError

QUESTION = "add login page"


def _answer(cache: Cache) -> Hit:
    result = cache.lookup(QUESTION)
    if not isinstance(result, Hit):
        raise TypeError(result)
    return result


def _reuse_addresses() -> list[mmap.mmap]:
    """Map memory that is not zero, into whatever addresses have become free."""
    maps = [mmap.mmap(-1, 1 << 20) for _ in range(64)]
    for one in maps:
        one[:] = b"\xff" * len(one)
    return maps


def hold_a_value(bundle_dir: str, corpus: str, event: str) -> None:
    """Hold a value over an event and report its text before and after."""
    cache = Cache.open(bundle_dir)
    value = _answer(cache).value
    before = bytes(value).decode()
    if event == "close":
        cache.close()
    elif event == "refresh":
        build_bundle(
            [corpus], name=Path(bundle_dir).name, root=Path(bundle_dir).parent, config=BuildConfig(model="hashing")
        )
        cache.refresh()
    elif event == "delete":
        shutil.rmtree(bundle_dir)
    elif event == "garbage":
        del cache
    else:
        cache.close()
        shutil.rmtree(bundle_dir)
        del cache
    gc.collect()
    maps = _reuse_addresses()
    report({"before": before, "after": bytes(value).decode(), "read_only": value.readonly, "n_maps": len(maps)})


def open_fifty_times(bundle_dir: str) -> None:
    """Open a bundle 50 times, close in random order; report what the ones still open answer after each close."""
    caches = [Cache.open(bundle_dir) for _ in range(50)]
    random.Random(7).shuffle(caches)
    answers = set()
    while caches:
        answers |= {_answer(cache).text for cache in caches}
        caches.pop().close()
        gc.collect()
    with Cache.open(bundle_dir) as again:
        answers.add(_answer(again).text)
    report(sorted(answers))


def close_while_threads_look_up(bundle_dir: str) -> None:
    """Close a cache under eight threads, 20 times over; report every outcome a call had."""
    outcomes = set()
    sys.setswitchinterval(0.0005)
    for _ in range(20):
        cache = Cache.open(bundle_dir)
        started = threading.Barrier(9, timeout=30)

        def look_up(cache: Cache = cache, started: threading.Barrier = started) -> set[str]:
            seen = {_answer(cache).text}
            started.wait()
            while True:
                try:
                    for text in (QUESTION, "now add login page"):
                        result = cache.lookup(text)
                        seen.add(result.text if isinstance(result, Hit) else result.reason)
                except CacheClosedError:
                    return seen | {"CacheClosedError"}

        with ThreadPoolExecutor(8) as threads:
            tasks = [threads.submit(look_up) for _ in range(8)]
            started.wait()
            cache.close()
            for task in tasks:
                outcomes |= task.result()
    report(sorted(outcomes))


def exit_while_threads_look_up(bundle_dir: str) -> None:
    """End the program while daemon threads look up."""
    cache = Cache.open(bundle_dir)
    started = threading.Barrier(5, timeout=30)

    def look_up() -> None:
        started.wait()
        while True:
            cache.lookup(QUESTION)
            cache.lookup("now add login page")

    for _ in range(4):
        threading.Thread(target=look_up, daemon=True).start()
    started.wait()
    report([_answer(cache).text for _ in range(20)][-1])


def read_when_told(bundle_dir: str) -> None:
    """Open a bundle, then answer each line of stdin: "ask", or "refresh" and ask."""
    with Cache.open(bundle_dir) as cache:
        held = _answer(cache).value
        report("open")
        for line in sys.stdin:
            if line.strip() == "refresh":
                cache.refresh()
            report({"answer": _answer(cache).text, "semantic": cache.lookup("now add login page").hit})
        report(bytes(held).decode())
