"""A program that gives up its rights (it becomes the user 65534), then opens, checks or builds, and says what came.

Everything is imported and used once before, because the new user may not be able to read Python's own files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from semcache import BuildConfig, Cache, build_bundle, check_bundle
from semcache.errors import SemcacheError


def main() -> None:
    """Take a folder to warm up in, and actions with their paths; write a line for each."""
    warm = Path(sys.argv[1])
    corpus = warm / "corpus.jsonl"
    config = BuildConfig(model="hashing")
    build_bundle([corpus], name="warm", root=warm / "warm", config=config)
    with Cache.open("warm", root=warm / "warm") as cache:
        cache.lookup("a question that is not there")
    check_bundle("warm", root=warm / "warm")
    os.setgroups([])
    os.setgid(65_534)
    os.setuid(65_534)
    actions: dict[str, Callable[[Path], object]] = {
        "open": lambda path: Cache.open(path).lookup("how do i add a login page"),
        "check": check_bundle,
        "build": lambda path: build_bundle([corpus], name="new", root=path, config=config),
    }
    for action, path in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        try:
            done = actions[action](Path(path))
            line = f"{len(done)} problems" if isinstance(done, list) else f"done {type(done).__name__}"
        except SemcacheError as error:
            line = f"{type(error).__name__}: {error}"
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
