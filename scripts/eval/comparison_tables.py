"""Result files of the comparisons as Markdown tables of docs/quality.md: medians over the seeds. Pure but for files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from eval.tables import replaced, share, table

BEGIN, END = "<!-- {}: written by scripts/eval/compare.py -->", "<!-- end of {} -->"
WHAT = ("ablation", "late-interaction", "tuning", "ablation-twins")

Rows = Sequence[dict[str, Any]]
"""One a seed."""


def write_comparisons(results_dir: Path, docs_path: Path) -> None:
    """Replace what stands between each comparison's markers in the document by the tables of its result file."""
    text = docs_path.read_text("utf-8")
    for what in WHAT:
        path = results_dir / f"{what}.json"
        if path.exists():
            figures = json.loads(path.read_text("utf-8"))["figures"]
            new = twin_table(figures) if what == "ablation-twins" else outcome_tables(figures)
            text = replaced(text, new, begin=BEGIN.format(what), end=END.format(what))
    docs_path.write_text(text, encoding="utf-8")


def outcome_tables(figures: dict[str, Rows]) -> str:
    """Return one row a variant: coverage at each level, and what it gains over the first variant, set-up by set-up."""
    names = list(next(iter(figures.values()))[0]["variants"])
    heads = ["variant"]
    for set_up, rows in figures.items():
        heads += [f"{set_up} ({len(rows)} seeds): 1, 2, 5 %", "error at 2 %", "gain at 2 %", "AURC"]
    lines = []
    for name in names:
        cells = [name]
        for rows in figures.values():
            cells += _cells(rows, name, names[0])
        lines.append(cells)
    return table(heads, lines)


def _cells(rows: Rows, name: str, first: str) -> list[str]:
    """Return coverages, error, gain in points (median of the differences seed by seed) and AURC of a variant."""
    found = [row["variants"][name] for row in rows]
    by_level = [[one["levels"][place]["chosen"] for one in found] for place in range(len(found[0]["levels"]))]
    gains = [_at_two(row, name) - _at_two(row, first) for row in rows]
    return [
        " ".join(share(median(point["coverage"] for point in points)) for points in by_level),
        share(median(point["error"] for point in by_level[1])),
        "" if name == first else f"{100 * median(gains):+.1f}",
        share(median(one["aurc"] for one in found)),
    ]


def _at_two(row: dict[str, Any], name: str) -> float:
    return float(row["variants"][name]["levels"][1]["chosen"]["coverage"])


def twin_table(figures: dict[str, Any]) -> str:
    """Return one row a set: traps and wishes served by each variant at its 5 % level."""
    sets = list(next(iter(figures.values()))["sets"])
    heads = ["set", *(f"{name} (from {found['threshold']:.3f})" for name, found in figures.items())]
    lines = [
        [name, *(" / ".join(share(found["sets"][name][key]) for key in _SERVED) for found in figures.values())]
        for name in sets
    ]
    return table(heads, lines)


_SERVED = ("traps_served", "wishes_served")
