"""The command line of the comparisons: each changes one thing about the decision and measures it on a few set-ups.

After every seed the result file is written, so that a run that is ended keeps what it has; a seed that stands in the
file is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from measure import commit, machine, versions

from eval.ablation import Refitted, measure_ablation
from eval.ablation_twins import measure_ablated_twins
from eval.command import REPOSITORY, RESULTS, SCRATCH, newest_encoder, rounded
from eval.comparison_tables import write_comparisons
from eval.embeddings import Vectors
from eval.problem import Problem, prepare
from eval.setups import SET_UPS

COMPARED = ("banking77-5", "banking77-20", "clinc150-5")
Measure = Callable[[Problem], dict[str, Any]]
"""A problem to its outcomes: `variants` by name, and whatever else is worth writing."""


def main() -> None:
    """Measure one comparison, or none, then write the tables of all that were measured."""
    arguments = _parser().parse_args()
    if arguments.what != "tables":
        vectors = Vectors(arguments.cache / "vectors", arguments.encoder or newest_encoder())
        _measure(arguments, vectors)
    write_comparisons(arguments.out, arguments.docs)


def _measure(arguments: argparse.Namespace, vectors: Vectors) -> None:
    path = arguments.out / f"{arguments.what}.json"
    if arguments.what == "ablation-twins":
        _write(path, measure_ablated_twins(arguments.data, vectors, _refitted(arguments, vectors)), vectors)
        return
    measure = _measure_of(arguments, vectors)
    for seed, set_up in product(arguments.seeds, (one for one in SET_UPS if one.name in arguments.sets)):
        if not _stands(path, set_up.name, seed):
            began = time.perf_counter()
            found = measure(prepare(set_up, arguments.data, vectors, seed=seed))
            row = {"seed": seed, "took_s": time.perf_counter() - began, **found}
            _write(path, _with_row(path, set_up.name, row), vectors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("ablation", "ablation-twins", "late-interaction", "tuning", "tables"))
    parser.add_argument("--sets", nargs="+", choices=[one.name for one in SET_UPS], default=COMPARED, metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path, help="an exported encoder; default: the one below indexes/encoders")
    parser.add_argument("--cache", type=Path, default=SCRATCH, help="keeps vectors, features and trees")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs" / "quality.md")
    return parser


def _measure_of(arguments: argparse.Namespace, vectors: Vectors) -> Measure:
    """Return what measures a comparison; its module is imported only then: one needs torch."""
    if arguments.what == "tuning":
        from eval.measured_tuning import measure_tuning  # noqa: PLC0415

        return measure_tuning
    if arguments.what == "late-interaction":
        from eval.late_interaction import measurer  # noqa: PLC0415

        return measurer(arguments.data, vectors)
    refitted = _refitted(arguments, vectors)
    return lambda problem: measure_ablation(problem, refitted)


def _refitted(arguments: argparse.Namespace, vectors: Vectors) -> Refitted:
    return Refitted(arguments.data, vectors.encoder_dir, arguments.cache)


def _figures(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["figures"] if path.exists() else {}
    return found


def _stands(path: Path, name: str, seed: int) -> bool:
    return any(row["seed"] == seed for row in _figures(path).get(name, ()))


def _with_row(path: Path, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a result file with a row more."""
    print(f"{path.stem} {name} {row['seed']}: {row['took_s']:.0f} s", flush=True)
    figures = _figures(path)
    return {**figures, name: [*figures.get(name, ()), row]}


def _write(path: Path, figures: dict[str, Any], vectors: Vectors) -> None:
    document = {
        "kind": path.stem,
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "encoder": vectors.encoder_dir.name,
        "figures": rounded(figures),
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
