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
REFERENCES = {"the same, all trees see tokens": "fitted on other set-ups"}
"""The variant that another one is held against, where it is not the first."""
BESIDE = {
    "minutes": ("minutes", 1),
    "n_epochs": ("epochs", 0),
    "bytes_per_row": ("bytes a row", 0),
    "us": ("us a lookup", 0),
}
"""What a row may hold beside its variants: head and digits of its column."""

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
    """Return what each variant gives and gains, set-up by set-up, and what else was measured of the set-ups."""
    names = list(next(iter(figures.values()))[0]["variants"])
    heads = ["variant"]
    for set_up, rows in figures.items():
        heads += [f"{set_up} ({len(rows)} seeds): 1, 2, 5 %", "error at 2 %", "gain at 2, 5 %", "AURC"]
    lines = []
    for name in names:
        cells = [name]
        for rows in figures.values():
            cells += _cells(rows, name, REFERENCES.get(name, names[0]))
        lines.append(cells)
    return "\n\n".join(filter(None, (table(heads, lines), _beside(figures))))


def _cells(rows: Rows, name: str, reference: str) -> list[str]:
    """Return coverages, error, gains in points (medians of the differences seed by seed) and AURC of a variant."""
    found = [row["variants"][name] for row in rows]
    by_level = [[one["levels"][place]["chosen"] for one in found] for place in range(len(found[0]["levels"]))]
    gains = [100 * median(_coverage(row, name, at) - _coverage(row, reference, at) for row in rows) for at in (1, 2)]
    return [
        " ".join(share(median(point["coverage"] for point in points)) for points in by_level),
        share(median(point["error"] for point in by_level[1])),
        "" if name == reference else " ".join(f"{gain:+.1f}" for gain in gains),
        share(median(one["aurc"] for one in found)),
    ]


def _coverage(row: dict[str, Any], name: str, place: int) -> float:
    return float(row["variants"][name]["levels"][place]["chosen"]["coverage"])


def _beside(figures: dict[str, Rows]) -> str:
    """Return the medians of what was measured beside the variants; nothing where nothing was."""
    keys = [key for key in next(iter(figures.values()))[0] if key in BESIDE]
    lines = [
        [set_up, *(f"{median(row[key] for row in rows):,.{BESIDE[key][1]}f}" for key in keys)]
        for set_up, rows in figures.items()
    ]
    return table(["set-up", *(BESIDE[key][0] for key in keys)], lines) if keys else ""


def twin_table(figures: dict[str, Any]) -> str:
    """Return one row a set: traps and wishes served by each variant at its 5 % level."""
    heads = ["set", *(f"{name} (from {found['threshold']:.3f})" for name, found in figures.items())]
    lines = [
        [name, *(_served(found["sets"][name]) for found in figures.values())]
        for name in next(iter(figures.values()))["sets"]
    ]
    return table(heads, lines)


def _served(shares: dict[str, float | None]) -> str:
    return " / ".join(share(shares[key]) for key in ("traps_served", "wishes_served"))
