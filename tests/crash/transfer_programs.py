"""Fetches that run in processes of their own, to be killed or to meet.

Run as `python transfer_programs.py URL FOLDER CHUNKS`, with one "sha256 size raw" a line in the file CHUNKS. Says
`ready`, goes on when a line comes in, says `begun` when bytes have come, and in the end how many.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from semcache.core.chunk import ChunkRef
from semcache.store.chunks import ChunkFolder
from semcache.store.objects import ObjectStore
from semcache.store.transfer import fetch_all

TIMEOUT_S = 120


def start(url: str, folder: Path, chunks: Path) -> subprocess.Popen[str]:
    """Start a fetch and wait until it is ready; a line on its standard input lets it go on."""
    command = [sys.executable, __file__, url, str(folder), str(chunks)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def release(process: subprocess.Popen[str]) -> None:
    """Let a fetch go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def write_refs(path: Path, refs: list[ChunkRef]) -> Path:
    """Write the file CHUNKS."""
    path.write_text("".join(f"{ref.sha256} {ref.size_bytes} {ref.raw_bytes}\n" for ref in refs))
    return path


def _read_refs(path: Path) -> list[ChunkRef]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [ChunkRef(sha256, int(size), int(raw)) for sha256, size, raw in rows]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _main(url: str, folder: str, chunks: str) -> None:
    has_begun = False

    def progress(done_bytes: int, _: int) -> None:
        nonlocal has_begun
        if done_bytes and not has_begun:
            has_begun = True
            _say("begun")

    store, refs = ObjectStore.open(url), _read_refs(Path(chunks))
    _say("ready")
    sys.stdin.readline()
    report = fetch_all(store, refs, ChunkFolder(Path(folder)), progress=progress)
    _say(str(report.moved_bytes))


if __name__ == "__main__":
    _main(*sys.argv[1:])
