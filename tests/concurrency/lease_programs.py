"""Programs that hold a bundle open: each runs in a process of its own."""

from __future__ import annotations

import os
import sys
import threading

from driving import report

from semcache import Cache, Hit
from semcache.bundle.lease import is_held

QUESTION = "add login page"
NEAR = "now add login page"


def hold(bundle_dir: str) -> None:
    """Open a bundle, say so, and look up until stdin ends."""
    with Cache.open(bundle_dir) as cache:
        report("open")
        for _ in sys.stdin:
            result = cache.lookup(QUESTION)
            report({"answer": result.text if isinstance(result, Hit) else result.reason, "new": cache.refresh()})


def fork_and_close(bundle_dir: str) -> None:
    """Open a bundle, fork a child that stays, close in the parent; report whether it is held, before and after."""
    cache = Cache.open(bundle_dir)
    folder = cache.info.path
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(parent_writes)
        os.write(child_writes, b"1")  # fork is over here
        os.read(child_reads, 1)  # until the parent is done
        os._exit(0)
    os.close(child_reads)
    os.read(parent_reads, 1)
    before = is_held(folder)
    cache.close()
    after = is_held(folder)
    os.close(parent_writes)
    os.waitpid(child, 0)
    report({"before": before, "after": after})


def child_closes(bundle_dir: str) -> None:
    """Open a bundle and fork a child that closes it and ends; report whether the parent holds it still."""
    cache = Cache.open(bundle_dir)
    child = os.fork()
    if child == 0:
        cache.close()
        os._exit(0)
    os.waitpid(child, 0)
    report({"held": is_held(cache.info.path)})


def follow(bundle_dir: str) -> None:
    """Open a bundle that is followed in the background; look up until stdin ends, then report what was served.

    Says "open" first and every further version that answers; each answer with the version it came from is reported.
    """
    is_over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    seen: dict[str, set[str]] = {}
    with Cache.open(bundle_dir, refresh_every_s=0.01) as cache:
        report("open")
        while not is_over.is_set():
            for result in (cache.lookup(QUESTION), *cache.lookup_many([QUESTION, NEAR])):
                if result.bundle_id not in seen:
                    seen[result.bundle_id] = set()
                    report(result.bundle_id)
                seen[result.bundle_id].add(result.text if isinstance(result, Hit) else str(result.reason))
    report({version: sorted(answers) for version, answers in seen.items()})
