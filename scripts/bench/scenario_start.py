"""Scenario `start`: what a process pays before its first answer. Everything in fresh processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

from measure import Report, Target, percentile, summary
from scratch import Scratch

_N_PROCESSES = 15
_N_OPENS = 30
_IMPORT = (
    "import time; began, cpu = time.perf_counter(), time.process_time(); {code}; "
    "print(time.perf_counter() - began, time.process_time() - cpu)"
)
_IMPORTS = {
    "import_semcache": "import semcache",
    "import_cache": "from semcache import Cache",
    "import_libraries_alone": "import numpy, faiss, lmdb, orjson, zstandard",
}
_PAIR = ("import_cache", "import_libraries_alone")
_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")
_OPEN = """
import gc, json, sys, time
from semcache import Cache
root, name, text, n_opens = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
def opened(**options):
    began = time.perf_counter()
    cache = Cache.open(name, root=root, **options)
    seconds = time.perf_counter() - began
    return cache, seconds
cache, first = opened()
began = time.perf_counter()
cache.lookup(text)
first_lookup = time.perf_counter() - began
again, without_prefault = [], []
for _ in range(n_opens):
    for options, samples in (({}, again), ({"prefault": False}, without_prefault)):
        del cache
        gc.collect()
        cache, seconds = opened(**options)
        samples.append(seconds)
began = time.perf_counter()
cache.lookup("xyzzy " + text)
first_semantic = time.perf_counter() - began
heavy = [name for name in ("torch", "sentence_transformers", "transformers") if name in sys.modules]
print(json.dumps([first, first_lookup, again, without_prefault, first_semantic, heavy]))
"""


def run(scratch: Scratch) -> Report:
    """Measure imports, opens, the first lookups, and that no torch is loaded."""
    warm = "page cache and .pyc files; every sample is the first of its kind in a fresh process unless it says repeated"
    report = Report("start", warm, scratch.seed, {"rows": scratch.n_rows, "processes": _N_PROCESSES})
    imports: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    cpu_times: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    processes: list[float] = []
    opens: list[list[Any]] = []
    text = scratch.known_texts(1)[0]
    _python(scratch, "-c", _OPEN, str(scratch.root), scratch.large, text, "1")  # writes the .pyc files
    for _ in range(_N_PROCESSES):
        for name, code in _IMPORTS.items():
            wall, cpu = map(float, _python(scratch, "-c", _IMPORT.format(code=code)).split())
            imports[name].append(wall)
            cpu_times[name].append(cpu)
        began = time.perf_counter()
        _python(scratch, "-c", "pass")
        processes.append(time.perf_counter() - began)
        opens.append(json.loads(_python(scratch, "-c", _OPEN, str(scratch.root), scratch.large, text, str(_N_OPENS))))
    report.figures = {name: summary(samples, "ms") for name, samples in imports.items()}
    report.figures |= {f"{name}_cpu": summary(samples, "ms") for name, samples in cpu_times.items()}
    report.figures |= {
        "ratio_import_cache_to_libraries": percentile(
            sorted(ours / theirs for ours, theirs in zip(*(imports[name] for name in _PAIR), strict=True)), 50
        ),
        "python_pass": summary(processes, "ms"),
        "open_first": summary([found[0] for found in opens], "ms"),
        "open_repeated": summary([seconds for found in opens for seconds in found[2]], "ms"),
        "open_repeated_without_prefault": summary([seconds for found in opens for seconds in found[3]], "ms"),
        "first_exact_lookup": summary([found[1] for found in opens], "us"),
        "first_semantic_lookup_loads_model": summary([found[4] for found in opens], "ms"),
        "torch_modules_after_semantic_lookup": sorted({name for found in opens for name in found[5]}),
        "import_cache_ms_by_package": _import_profile(scratch),
    }
    report.targets = [
        Target("`import semcache`, p50", report.figures["import_semcache"]["p50"], 150, "ms"),
        Target("`from semcache import Cache`, p50", report.figures["import_cache"]["p50"], 150, "ms"),
        Target(f"first `Cache.open`, {scratch.n_rows:,} rows, p50", report.figures["open_first"]["p50"], 30, "ms"),
        Target("repeated `Cache.open`, p50", report.figures["open_repeated"]["p50"], 30, "ms"),
        Target(
            "torch modules after a semantic lookup",
            len(report.figures["torch_modules_after_semantic_lookup"]),
            0,
            "",
        ),
    ]
    return report


def _python(scratch: Scratch, *arguments: str) -> str:
    return _run(scratch, *arguments).stdout


def _run(scratch: Scratch, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as an installed package would: with .pyc files, kept in the scratch folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(scratch.work / "pycache")
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


def _import_profile(scratch: Scratch) -> dict[str, float]:
    """Return the self time of all modules of a package together, most first, median of five processes."""
    runs: list[dict[str, float]] = []
    for _ in range(5):
        lines = _run(scratch, "-X", "importtime", "-c", _IMPORTS["import_cache"]).stderr.splitlines()
        by_package: dict[str, float] = {}
        for line in lines:
            if match := _IMPORT_LINE.match(line):
                package = match[4].split(".")[0]
                package = (
                    package if package in {"numpy", "faiss", "lmdb", "semcache", "orjson", "zstandard"} else "other"
                )
                by_package[package] = by_package.get(package, 0.0) + int(match[1]) / 1000
        runs.append(by_package)
    middle = {name: percentile(sorted(one.get(name, 0.0) for one in runs), 50) for name in runs[0]}
    return dict(sorted(middle.items(), key=lambda item: -item[1]))
