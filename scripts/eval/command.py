"""The command line of the evaluation: runs set-ups, writes one result file each, and the tables of docs/quality.md."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import commit, machine, versions

from eval import gptcache_baseline
from eval.embeddings import Vectors
from eval.measured import MAX_STREAM, gptcache, measure
from eval.measured_twins import measure_twins
from eval.problem import prepare
from eval.setups import SET_UPS, TWIN_SET_UPS, TwinSetUp
from eval.splits import SetUp
from eval.tables import replaced, tables

ALL: tuple[SetUp | TwinSetUp, ...] = (*SET_UPS, *TWIN_SET_UPS)
RESULTS = Path(__file__).resolve().parent / "results"
REPOSITORY = RESULTS.parents[2]
SCRATCH = Path(tempfile.gettempdir()) / "semcache-eval"
_SLOW = ("gptcache", "online")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was asked for; `is_kept`: slow baselines are taken from the result files where they stand."""

    data_dir: Path
    vectors: Vectors
    seeds: tuple[int, ...]
    n_stream: int
    gptcache_python: Path | None
    is_kept: bool


def main() -> None:
    """Measure the chosen set-ups, then write the tables of all result files."""
    arguments = _parser().parse_args()
    if not arguments.tables_only:
        vectors = Vectors(arguments.cache.resolve(), arguments.encoder or newest_encoder())
        python = None if arguments.no_gptcache else gptcache_baseline.install(arguments.work.resolve())
        n_stream = 0 if arguments.no_online else MAX_STREAM
        run = Run(arguments.data, vectors, tuple(arguments.seeds), n_stream, python, arguments.keep)
        for set_up in ALL:
            if not arguments.sets or set_up.name in arguments.sets:
                _measure_and_write(arguments.out, set_up, run)
    write_tables(arguments.out, arguments.docs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [set_up.name for set_up in ALL]
    parser.add_argument("--sets", nargs="+", choices=names, metavar="SET", help=f"of {', '.join(names)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path, help="an exported encoder; default: the one below indexes/encoders")
    parser.add_argument("--cache", type=Path, default=SCRATCH / "vectors", help="keeps vectors by set and encoder")
    parser.add_argument("--work", type=Path, default=SCRATCH, help="GPTCache's environment")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs" / "quality.md")
    parser.add_argument("--no-gptcache", action="store_true")
    parser.add_argument("--no-online", action="store_true")
    parser.add_argument("--keep", action="store_true", help="take GPTCache and the online method from earlier results")
    parser.add_argument("--tables-only", action="store_true", help="measure nothing, write the tables again")
    return parser


def newest_encoder() -> Path:
    """Return the encoder that was exported last below indexes/encoders."""
    found = sorted(REPOSITORY.glob("indexes/encoders/*/encoder.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("no encoder below indexes/encoders: run `make indexes`, or give --encoder")
    return found[-1].parent


def _measured(set_up: SetUp | TwinSetUp, run: Run, earlier: dict[str, Any]) -> dict[str, Any]:
    if isinstance(set_up, TwinSetUp):
        kept = earlier.get("twins", {})
        python = None if "gptcache" in kept else run.gptcache_python
        slow = {"gptcache": kept["gptcache"]} if "gptcache" in kept else {}
        return {"twins": measure_twins(set_up, run.data_dir, run.vectors, python) | slow}
    before = {row["seed"]: row for row in earlier.get("seeds", [])}
    rows: list[dict[str, Any]] = []
    for place, seed in enumerate(run.seeds):
        problem = prepare(set_up, run.data_dir, run.vectors, seed=seed)
        slow = {name: before[seed][name] for name in _SLOW if before.get(seed, {}).get(name)}
        rows.append(measure(problem, run.vectors, n_stream=0 if "online" in slow else run.n_stream) | slow)
        if run.gptcache_python and not place and "gptcache" not in slow:
            rows[-1]["gptcache"] = gptcache(problem, run.gptcache_python)
    return {"seeds": rows}


def _measure_and_write(folder: Path, set_up: SetUp | TwinSetUp, run: Run) -> None:
    began = time.perf_counter()
    path = folder / f"{set_up.name}.json"
    earlier = json.loads(path.read_text("utf-8"))["figures"] if run.is_kept and path.exists() else {}
    figures = _measured(set_up, run, earlier)
    document = {
        "set_up": asdict(set_up),
        "kind": "twins" if isinstance(set_up, TwinSetUp) else "queries",
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "encoder": run.vectors.encoder_dir.name,
        "took_s": round(time.perf_counter() - began, 1),
        "figures": rounded(figures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{set_up.name}: {document['took_s']} s", flush=True)


def rounded(value: Any) -> Any:
    """Return a result with its numbers as they are written."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def write_tables(results_dir: Path, docs_path: Path) -> None:
    """Replace what stands between the markers of the document by the tables of the result files."""
    documents = [json.loads(path.read_text("utf-8")) for path in results_dir.glob("*.json")]
    order = {set_up.name: place for place, set_up in enumerate(ALL)}
    documents = sorted(
        (found for found in documents if found.get("set_up", {}).get("name") in order),
        key=lambda found: order[found["set_up"]["name"]],
    )
    docs_path.write_text(replaced(docs_path.read_text("utf-8"), tables(documents)), encoding="utf-8")
