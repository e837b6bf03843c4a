"""Scenario `switch`: lookups of four processes while the live version of the large bundle changes under them.

Two phases in turn: nothing happens, and CURRENT is replaced twice a second. What the first shows is the machine's
floor, what the second adds is the switch's. Once with pauses between lookups, once without: then the processes wait
for the cores. Processor time of the thread that looks up tells what it did itself from what it waited for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import Report, Target, summary
from scratch import Scratch
from switch_child import KINDS

from semcache.bundle.layout import VERSION_FILES
from semcache.bundle.live import go_back, locked_name
from semcache.bundle.locate import read_current
from semcache.bundle.reader import read_manifest
from semcache.bundle.writer import open_staging
from semcache.store.fsio import FileSystem

_N_PROCESSES, _N_ROUNDS, _SECONDS, _N_TEXTS = 4, 3, 6.0, 500
_LOADS = {"paced": 0.02, "saturated": 0.0}
_SWITCH_EVERY_S = 0.5
_CHILD = Path(__file__).with_name("switch_child.py")


def run(scratch: Scratch) -> Report:
    """Measure both phases in turn, with either load."""
    warm = "every process has looked up both kinds of text; both versions are in the page cache"
    sizes = {"rows": scratch.n_rows, "processes": _N_PROCESSES, "seconds_a_phase": _SECONDS, "rounds": _N_ROUNDS}
    report = Report("switch", warm, scratch.seed, sizes)
    root, versions = _twins(scratch)
    samples: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with _readers(root, scratch) as readers:
        for _ in range(_N_ROUNDS):
            for load, pause_s in _LOADS.items():
                for phase, meanwhile in _phases(root / scratch.large, versions).items():
                    samples.setdefault((load, phase), []).extend(_asked(readers, pause_s, meanwhile))
    for (load, phase), found in samples.items():
        names = [name for kind in KINDS for name in (kind, f"{kind}_cpu")]
        figures = {name: summary([sample for one in found for sample in one[name]], "ms") for name in names}
        seen = {version for one in found for version in one["versions"]}
        n_switches = sum(len(one["versions"]) - 1 for one in found)
        report.figures.setdefault(load, {})[phase] = {**figures, "n_switches_seen": n_switches, "versions": len(seen)}
    report.targets = [
        Target(f"worst {kind} lookup of {_N_PROCESSES} processes, {load}, {phase}", figures[kind]["max"], 50, "ms")
        for load, phases in report.figures.items()
        for phase, figures in phases.items()
        for kind in KINDS
    ]
    return report


def _twins(scratch: Scratch) -> tuple[Path, list[str]]:
    """Return a root with the large bundle and a second version of it that differs in its id only."""
    root, name = scratch.work / "switch", scratch.large
    if root.exists():
        shutil.rmtree(root)
    shutil.copytree(scratch.root / "encoders", root / "encoders", copy_function=os.link)
    shutil.copytree(scratch.root / name, root / name, copy_function=os.link)
    first = read_current(root / name)
    folder = root / name / "versions" / first
    manifest = read_manifest(folder)
    with open_staging(FileSystem(), root, name) as staging:
        for file in VERSION_FILES:
            (staging.folder / file).hardlink_to(folder / file)
        second, _ = staging.publish(replace(manifest, producer=f"{manifest.producer} again"))
    return root, [first, second]


@contextmanager
def _readers(root: Path, scratch: Scratch) -> Iterator[list[subprocess.Popen[str]]]:
    texts_path = root / "texts.json"
    texts_path.write_text(json.dumps([scratch.known_texts(_N_TEXTS), scratch.held_out_texts(_N_TEXTS)]), "utf-8")
    command = [sys.executable, str(_CHILD), str(root), scratch.large, str(texts_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(_N_PROCESSES)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes
    finally:
        for process in processes:
            process.communicate(timeout=60)


def _phases(bundle_dir: Path, versions: list[str]) -> dict[str, Callable[[], object]]:
    """Return what happens meanwhile, over and over."""

    def switch() -> None:
        [other] = set(versions) - {read_current(bundle_dir)}
        with locked_name(bundle_dir):
            go_back(FileSystem(), bundle_dir, other)

    return {"nothing happens": lambda: None, "switching": switch}


def _asked(
    readers: list[subprocess.Popen[str]], pause_s: float, meanwhile: Callable[[], object]
) -> list[dict[str, Any]]:
    """Have all processes look up for a while, and return what each found."""
    end = time.monotonic() + _SECONDS
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write(f"{_SECONDS} {pause_s}\n")
        reader.stdin.flush()
    while time.monotonic() < end:
        meanwhile()
        time.sleep(_SWITCH_EVERY_S)
    return [json.loads(reader.stdout.readline()) for reader in readers if reader.stdout is not None]
