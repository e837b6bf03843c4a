"""Timing, summaries and result files, the same way for every scenario. Knows nothing of what is measured.

Times are wall time (time.perf_counter) unless a name says cpu. Alternatives are measured in turns within one run, so
that a slow moment of the machine meets all of them; claims are made on their ratio.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import semcache

_REPOSITORY = Path(semcache.__file__).resolve().parents[1]  # of what is measured
_PACKAGES = (
    "semcache",
    "faiss-cpu",
    "lmdb",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "zstandard",
    "torch",
    "sentence-transformers",
)
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}

Rounds = list[list[float]]
"""Seconds of each call, one list a round."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure had to reach.

    Attributes:
        what: one phrase.
        found: the figure.
        allowed: the most it may be, or the least where `is_floor`.
        unit: of both.
        is_floor: whether more is better.
    """

    what: str
    found: float
    allowed: float
    unit: str
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the figure reached it."""
        return self.found >= self.allowed if self.is_floor else self.found <= self.allowed


@dataclass(slots=True)
class Report:
    """What one scenario found.

    Attributes:
        scenario: its name.
        warm: what was warm when it was measured.
        seed: of its texts and samples.
        sizes: rows, texts, bytes it was measured on.
        figures: the measurements by name.
        targets: what they had to reach.
        load_before: of the machine, over the minute before: other work makes everything slower, ratios less so.
    """

    scenario: str
    warm: str
    seed: int
    sizes: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def document(self) -> dict[str, Any]:
        """Return everything that a result file holds."""
        targets = [
            {
                "what": target.what,
                "found": _rounded(target.found),
                "least" if target.is_floor else "most": target.allowed,
                "unit": target.unit,
                "is_met": target.is_met,
            }
            for target in self.targets
        ]
        return {
            "scenario": self.scenario,
            "commit": commit(),
            "machine": {**machine(), "load_before": self.load_before, "load_after": os.getloadavg()[0]},
            "versions": versions(),
            "seed": self.seed,
            "warm": self.warm,
            "sizes": self.sizes,
            "targets": targets,
            "figures": _rounded(self.figures),
        }

    def write(self, folder: Path) -> Path:
        """Write the result file; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario}.json"
        path.write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def _rounded(value: Any) -> Any:
    """Round every number of a document to four digits: more is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def take_turns(
    alternatives: dict[str, Callable[[Any], object]], arguments: Sequence[Any], *, n_rounds: int
) -> dict[str, Rounds]:
    """Call each alternative on every argument, one alternative after the other, over and over.

    Each round takes its turn in another order. The first round of all is not counted. Garbage is collected
    between rounds, not within.
    """
    rounds: dict[str, Rounds] = {name: [] for name in alternatives}
    names = list(alternatives)
    for turn in range(n_rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            samples = timed(alternatives[name], arguments)
            if turn:
                rounds[name].append(samples)
    return rounds


def take_turns_each(
    alternatives: dict[str, Callable[[Any], object]], arguments: Sequence[Any], *, pause_s: float = 0.0
) -> dict[str, list[float]]:
    """Call all alternatives on an argument before the next one, in changing order. For calls of milliseconds.

    Garbage is collected once, before: a collection between calls would sweep the processor's caches.
    """
    samples: dict[str, list[float]] = {name: [] for name in alternatives}
    names = list(alternatives)
    with _without_collections():
        for turn, argument in enumerate(arguments):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                if pause_s:
                    time.sleep(pause_s)
                began = time.perf_counter()
                alternatives[name](argument)
                samples[name].append(time.perf_counter() - began)
    return samples


def timed(function: Callable[[Any], object], arguments: Iterable[Any]) -> list[float]:
    """Return the seconds of each call."""
    now = time.perf_counter
    samples = []
    with _without_collections():
        for argument in arguments:
            began = now()
            function(argument)
            samples.append(now() - began)
    return samples


@contextmanager
def _without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def summary(samples: Sequence[float], unit: str) -> dict[str, Any]:
    """Return n, p50, p90, p99 and max of seconds, in a unit."""
    scaled = sorted(sample * _UNITS[unit] for sample in samples)
    at = {f"p{share}": percentile(scaled, share) for share in (50, 90, 99)}
    return {"unit": unit, "n": len(scaled), **at, "max": scaled[-1]}


def summary_of_rounds(rounds: Rounds, unit: str) -> dict[str, Any]:
    """Return `summary` of all rounds, with the least and the greatest p50 of a round."""
    medians = [statistics.median(samples) * _UNITS[unit] for samples in rounds]
    pooled = [sample for samples in rounds for sample in samples]
    return {**summary(pooled, unit), "rounds": len(rounds), "p50_of_rounds": [min(medians), max(medians)]}


def percentile(ordered: Sequence[float], share: int) -> float:
    """Return a percentile of ordered values: the least one that `share` per cent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def commit() -> dict[str, Any]:
    """Return the commit that is checked out, and whether semcache differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(_REPOSITORY), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        return {"id": git("rev-parse", "--short=12", "HEAD"), "semcache_changed": bool(git("diff", "HEAD", "semcache"))}
    except (OSError, subprocess.CalledProcessError):
        return {"id": "unknown", "semcache_changed": True}


def machine() -> dict[str, Any]:
    """Return what the machine is, without its name."""
    model = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def as_table(documents: Iterable[dict[str, Any]]) -> str:
    """Return the targets of result documents as a Markdown table."""
    lines = ["| scenario | measured | found | target | met |", "| --- | --- | --- | --- | --- |"]
    for document in documents:
        for target in document["targets"]:
            unit = f" {target['unit']}" if target["unit"] else ""
            wanted = f"<= {target['most']:g}" if "most" in target else f">= {target['least']:g}"
            met = "yes" if target["is_met"] else "**no**"
            found = f"{target['found']:.3g}" if target["found"] < 1000 else f"{target['found']:.0f}"
            lines.append(f"| {document['scenario']} | {target['what']} | {found}{unit} | {wanted}{unit} | {met} |")
    return "\n".join(lines)
