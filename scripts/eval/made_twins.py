"""Measure what trees that doubt near twins cost and keep from being served, and write the table into docs/quality.md.

The protocol of the other tables: own trees are fitted on the fit part, the threshold is chosen on calibration, coverage
is that of the test part. Twins are made by rule of the known phrasings, which stay known: those of one half are fitted
on, those of the other half are asked. Options: --help.

    python scripts/eval/made_twins.py [--sets banking77-5 ...] [--seeds 0 1 2] [--data ../shared/data] [--encoder DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

scripts_dir = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(scripts_dir), str(scripts_dir / "bench")]

from measure import commit  # noqa: E402 - scripts are no package

from eval import ours  # noqa: E402
from eval.command import REPOSITORY, RESULTS, SCRATCH, newest_encoder, rounded  # noqa: E402
from eval.deciding import Made, make_twins, read, rights  # noqa: E402
from eval.embeddings import Vectors  # noqa: E402
from eval.problem import Problem, prepare  # noqa: E402
from eval.setups import SET_UPS  # noqa: E402
from eval.tables import replaced, share, table  # noqa: E402
from eval.thresholds import served, widest_threshold  # noqa: E402

COMPARED = ("banking77-5", "banking77-20", "clinc150-20")
LEVELS = (0.02, 0.05)
TREES = ("generic", "own", "own, doubting")
BEGIN, END = "<!-- made twins: written by scripts/eval/made_twins.py -->", "<!-- end of made twins -->"
_MOST = 2_500


def main() -> None:
    """Measure the chosen set-ups, then write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[one.name for one in SET_UPS], default=COMPARED, metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path, help="an exported encoder; default: the one below indexes/encoders")
    parser.add_argument("--cache", type=Path, default=SCRATCH / "vectors", help="keeps vectors by set and encoder")
    parser.add_argument("--out", type=Path, default=RESULTS / "made-twins.json")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs" / "quality.md")
    arguments = parser.parse_args()
    vectors = Vectors(arguments.cache, arguments.encoder or newest_encoder())
    figures: dict[str, list[dict[str, Any]]] = {}
    for set_up in (one for one in SET_UPS if one.name in arguments.sets):
        for seed in arguments.seeds:
            found = measure(prepare(set_up, arguments.data, vectors, seed=seed), vectors)
            figures.setdefault(set_up.name, []).append({"seed": seed, "trees": found})
            print(f"{set_up.name} {seed}", flush=True)
    arguments.out.write_text(json.dumps({"commit": commit(), "figures": rounded(figures)}, indent=1) + "\n", "utf-8")
    text = replaced(arguments.docs.read_text("utf-8"), made_twins_table(figures), begin=BEGIN, end=END)
    arguments.docs.write_text(text, encoding="utf-8")


def measure(problem: Problem, vectors: Vectors) -> dict[str, list[dict[str, float]]]:
    """Return what each sort of trees serves of the test part and of twins, at the thresholds of calibration."""
    found = read(problem)
    to_fit, to_ask = make_twins(problem, found.bundle, vectors, most=_MOST)
    generic, fit, is_right = ours.trees_without(problem.folder), problem.parts.fit, rights(problem, found.seen)
    learned = found.seen.at(fit)
    trees = {
        "generic": generic,
        "own": ours.own_trees(generic, learned, is_right[fit]),
        "own, doubting": ours.own_trees(generic, learned, is_right[fit], twins=to_fit.x),
    }
    return {name: _served(problem, found.seen, is_right, to_ask, trees[name]) for name in TREES}


def _served(
    problem: Problem, seen: ours.Seen, is_right: npt.NDArray[np.bool_], asked: Made, trees: ours.Trees
) -> list[dict[str, float]]:
    confidence = ours.confidences(ours.logits_of(trees, seen.x), seen.answers).astype(np.float64)
    of_twins = ours.confidences(ours.logits_of(trees, asked.x), np.zeros(len(asked.x), np.int64)).astype(np.float64)
    calibration, test = problem.parts.calibration, problem.parts.test
    found = []
    for level in LEVELS:
        threshold = widest_threshold(confidence[calibration], is_right[calibration], error=level)
        hits = served(confidence[test] >= threshold, is_right[test])
        twins_served = int((of_twins >= threshold).sum()) / max(1, asked.n)
        found.append({"coverage": hits.coverage, "error": hits.error or 0.0, "twins": twins_served})
    return found


def made_twins_table(figures: dict[str, list[dict[str, Any]]]) -> str:
    """Return means over the seeds, a row for each sort of trees of each set-up."""
    heads = ("set-up", "trees", *(f"{100 * level:g} %: coverage / error, twins served" for level in LEVELS))
    rows = []
    for name, seeds in figures.items():
        for trees in TREES:
            cells = []
            for place in range(len(LEVELS)):
                means = {
                    key: float(np.mean([one["trees"][trees][place][key] for one in seeds]))
                    for key in ("coverage", "error", "twins")
                }
                cells.append(f"{share(means['coverage'])} / {share(means['error'])}, {share(means['twins'])}")
            rows.append((name, trees, *cells))
    return table(heads, rows)


if __name__ == "__main__":
    main()
