"""Scenario `memory`: what a second process on the same bundle costs, and that the bundle's pages are shared.

Reads /proc/<pid>/smaps, so it runs on Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from measure import Report, Target
from memory_child import BUNDLE_FILES, STEPS
from scratch import Scratch

_N_LOOKUPS = 2000
_CHILD = Path(__file__).with_name("memory_child.py")


def run(scratch: Scratch) -> Report:
    """Start two processes that do the same; report the second one's memory while the first still runs."""
    warm = "the first process did everything the second does, and is still there"
    report = Report("memory", warm, scratch.seed, {"rows": scratch.n_rows, "lookups": _N_LOOKUPS})
    command = [sys.executable, str(_CHILD), str(scratch.root), scratch.large, str(scratch.corpus_path), str(_N_LOOKUPS)]
    processes = []
    try:
        for _ in range(2):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes.append(process)
            assert process.stdout is not None
            steps = [json.loads(process.stdout.readline()) for _ in STEPS]
    finally:
        for process in processes:
            process.communicate("end\n")
    report.figures = {"second_process_mb": {name: step["total"] for name, step in zip(STEPS, steps, strict=True)}}
    report.figures["files_of_the_second_process_mb"] = steps[-1]["files"]
    model_mb = steps[-1]["model_mb"]  # graph and weights, each once
    searched, embedded = (report.figures["second_process_mb"][name]["private"] for name in STEPS[-2:])
    report.figures |= {"model_files_mb": model_mb, "private_with_the_model_loaded_mb": embedded}
    files = steps[-1]["files"]
    shares = {name: 1 - files[name]["private"] / max(files[name]["rss"], 1e-9) for name in BUNDLE_FILES[:2]}
    report.figures["shared_part_of_resident_pages"] = shares
    report.targets = [
        Target("private memory of a second process, no model needed yet", searched, 60, "MB"),
        Target(
            f"private memory of a second process with the model loaded (60 MB and the {model_mb:.0f} MB of the model)",
            embedded,
            60 + model_mb,
            "MB",
        ),
        *(
            Target(f"shared part of {name}'s resident pages", share, 0.99, "", is_floor=True)
            for name, share in shares.items()
        ),
    ]
    return report
