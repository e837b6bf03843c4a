"""A process that looks things up and prints its memory after each step. Scenario `memory` starts it.

    python memory_child.py ROOT NAME CORPUS N    prints a JSON line a step, then waits for a line

It imports nothing before the step that is to show what the import costs. Reads /proc/self/smaps (Linux).
"""

# ruff: noqa: PLC0415, SLF001 - imports are steps here; a search without the encoder is no public call

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

STEPS = ("python", "import_cache", "open", "exact_lookups", "searches", "semantic_lookups")
BUNDLE_FILES = ("index.faiss", "values.mdb", "rows.npy", "entries.npy", "model.weights")
_FIELDS = ("Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty")
_HEADER = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)")
_N_SEMANTIC = 50


def main(root: str, name: str, corpus_path: str, n_lookups: int) -> None:
    """Take the steps."""
    tell()
    from semcache import Cache

    tell()
    cache = Cache.open(name, root=root)
    tell()
    with Path(corpus_path).open(encoding="utf-8") as file:
        for _ in range(n_lookups):
            assert cache.lookup(json.loads(next(file))["query"]).hit
    tell()
    import numpy as np

    version, rng = cache._current(), np.random.default_rng(0)
    for _ in range(n_lookups):
        query = rng.standard_normal((1, version.reader.index.dim)).astype(np.float32)
        found = version.retrieve(query / np.linalg.norm(query), namespace=None)[0]
        version.serve_semantic(version.judge("a text that nobody typed", found), max_error=None, now=0.0)
    tell()
    for i in range(_N_SEMANTIC):
        cache.lookup(f"how do I list the {i} largest files below a folder that nobody named before")
    encoder = Path(root) / "encoders" / version.reader.manifest.encoder.fingerprint
    tell(model_mb=sum(path.stat().st_size for path in encoder.glob("model*")) / 2**20)
    sys.stdin.readline()


def tell(**more: float) -> None:
    """Print this process's memory in MiB: all of it, and of each file of a bundle."""
    total = dict.fromkeys(_FIELDS, 0.0)
    files: dict[str, dict[str, float]] = {}
    current = ""
    for line in Path("/proc/self/smaps").read_text("utf-8", "replace").splitlines():
        if header := _HEADER.match(line):
            current = Path(header[1]).name
            continue
        field, _, value = line.partition(":")
        if field in _FIELDS:
            size_mb = int(value.split()[0]) / 1024
            total[field] += size_mb
            if current in BUNDLE_FILES:
                files.setdefault(current, dict.fromkeys(_FIELDS, 0.0))[field] += size_mb
    found = {"total": _brief(total), "files": {name: _brief(sums) for name, sums in files.items()}, **more}
    print(json.dumps(found), flush=True)


def _brief(sums: dict[str, float]) -> dict[str, Any]:
    return {
        "rss": sums["Rss"],
        "pss": sums["Pss"],
        "shared": sums["Shared_Clean"] + sums["Shared_Dirty"],
        "private": sums["Private_Clean"] + sums["Private_Dirty"],
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
