"""A process that looks up while versions switch, and prints what each lookup took. Scenario `switch` starts it.

    python switch_child.py ROOT NAME TEXTS    prints a line when it is ready, then one for each line "SECONDS PAUSE_S"

TEXTS is a JSON file of two lists: texts that the bundle holds, and texts that it has to embed. They are asked in turn.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from semcache import Cache

KINDS = ("exact", "semantic")
REFRESH_EVERY_S = 0.05


def main(root: str, name: str, texts_path: str) -> None:
    """Answer each line by the seconds of each lookup, by kind, and by the versions that answered, in turn."""
    asked = [cycle(texts) for texts in json.loads(Path(texts_path).read_text("utf-8"))]
    with Cache.open(name, root=root, refresh_every_s=REFRESH_EVERY_S) as cache:
        for texts in asked:
            cache.lookup(next(texts))
        print("ready", flush=True)
        for line in sys.stdin:
            seconds, pause_s = map(float, line.split())
            print(json.dumps(_looked_up(cache, asked, seconds=seconds, pause_s=pause_s)), flush=True)


def _looked_up(
    cache: Cache, asked: list[cycle[str]], *, seconds: float, pause_s: float
) -> dict[str, list[float | str]]:
    samples: dict[str, list[float | str]] = {name: [] for kind in KINDS for name in (kind, f"{kind}_cpu")}
    versions: list[float | str] = []
    now, end = time.perf_counter, time.perf_counter() + seconds
    while now() < end:
        for kind, texts in zip(KINDS, asked, strict=True):
            text, began, began_cpu = next(texts), now(), time.thread_time()
            result = cache.lookup(text)
            samples[f"{kind}_cpu"].append(time.thread_time() - began_cpu)
            samples[kind].append(now() - began)
            if versions[-1:] != [result.bundle_id]:
                versions.append(result.bundle_id)
            if pause_s:
                time.sleep(pause_s)
    return {**samples, "versions": versions}


if __name__ == "__main__":
    main(*sys.argv[1:])
