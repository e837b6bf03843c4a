"""Programs that report which of their memory is whose (Linux: /proc/self/smaps)."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from semcache import Cache

_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ .* (/.*)?$")
_FIELDS = ("Rss", "Private_Clean", "Private_Dirty", "Anonymous")


def kib_of_mappings(file_name: str) -> dict[str, int]:
    """Sum the fields of all mappings of files with this name, in KiB."""
    sums, is_ours = dict.fromkeys(_FIELDS, 0), False
    for line in Path("/proc/self/smaps").read_text("utf-8").splitlines():
        if head := _HEAD.match(line):
            is_ours = (head[1] or "").endswith(f"/{file_name}")
        elif is_ours and (field := line.split(":")[0]) in sums:
            sums[field] += int(line.split()[1])
    return sums


def read_and_report(bundle_dir: str, n_rows: str) -> None:
    """Open and look up, say so, wait for a line, then report the memory of both big files."""
    with Cache.open(bundle_dir) as cache:
        exact = [cache.lookup(f"question number {i}").hit for i in range(0, int(n_rows), 37)]
        cache.lookup("a question that is asked nowhere, number 5")
        print(json.dumps({"n_hits": sum(exact), "n": len(exact)}), flush=True)  # noqa: T201 - a program
        sys.stdin.readline()
        found = {name: kib_of_mappings(name) for name in ("index.faiss", "values.mdb")}
        print(json.dumps(found), flush=True)  # noqa: T201 - a program
        sys.stdin.readline()
