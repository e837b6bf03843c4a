"""Programs that record lookups: each runs in a process of its own, which others may share a folder with, or end."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from driving import report

from semcache import Cache, RecordConfig

QUESTION = "add login page"


def look_up_often(bundle_dir: str, folder: str, n: str, namespace: str) -> None:
    """Look up so many times in each of four threads; files are small, so that they rotate."""
    config = RecordConfig(Path(folder), max_file_bytes=65_536, max_files=1000, queue_lines=1 << 20)
    with Cache.open(bundle_dir, record=config) as cache:
        threads = [
            threading.Thread(target=lambda: [cache.lookup(QUESTION, namespace=namespace) for _ in range(int(n))])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report("done")


def look_up_without_end(bundle_dir: str, folder: str) -> None:
    """Look up until somebody ends the process; say when the first line is on the disk."""
    cache = Cache.open(bundle_dir, record=folder)
    is_told = False
    while True:
        cache.lookup(QUESTION)
        if not is_told and any(path.stat().st_size for path in Path(folder).glob("*")):
            report("recording")
            is_told = True


def end_without_closing(bundle_dir: str, folder: str) -> None:
    """Look up once and end as a program does that forgets to close."""
    cache = Cache.open(bundle_dir, record=folder)
    cache.lookup(QUESTION)
    report("done")


def fork_while_recording(bundle_dir: str, folder: str) -> None:
    """Fork with lookups in the queue; the child records its own, in a cache of its own, and ends as programs do."""
    cache = Cache.open(bundle_dir, record=folder)
    cache.lookup("list all files")
    child = os.fork()
    if child == 0:
        cache.close()
        with Cache.open(bundle_dir, record=folder) as own:
            own.lookup(QUESTION)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    n_files = len(list(Path(folder).iterdir()))
    cache.lookup("show every file here")
    cache.close()
    report({"exit": os.waitstatus_to_exitcode(status), "files of the child": n_files})


def fork_after_the_first_line(bundle_dir: str, folder: str) -> None:
    """Fork when the parent holds its file; the child lives on while the parent closes, and another one takes it up."""
    cache = Cache.open(bundle_dir, record=folder)
    cache.lookup(QUESTION)
    recorder = cache._recorder
    assert recorder is not None
    recorder._write_all()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    cache.close()
    with Cache.open(bundle_dir, record=folder) as other:
        other.lookup(QUESTION)
    os.close(writing)
    os.waitpid(child, 0)
    report([path.name for path in sorted(Path(folder).iterdir())])
