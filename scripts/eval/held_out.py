"""Build bundles without some texts, ask them those, and write the table into docs/quality.md. Options: --help.

The corpora that ship, one by one (one also with a tuned encoder) and together, and three public sets, each without and
with labelled traffic.
Reports (--reports DIR) are those of `semcache eval --html`.

    python scripts/eval/held_out.py [--bundles speckit ...] [--data ../shared/data] [--root DIR] [--reports DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

scripts_dir = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(scripts_dir), str(scripts_dir / "bench")]

from measure import commit  # noqa: E402 - scripts are no package

from eval.command import REPOSITORY, RESULTS, SCRATCH, rounded  # noqa: E402
from eval.holding_out import HeldOut, Line, of_corpora, of_set  # noqa: E402
from eval.setups import SET_UPS  # noqa: E402
from eval.tables import replaced, share, table  # noqa: E402
from eval.texts import OUT_OF_SCOPE, read_items  # noqa: E402
from semcache import BuildConfig, Cache, Evaluation, LabelledQuery, build_bundle, evaluate, read_queries  # noqa: E402
from semcache.cli.report_html import html_report  # noqa: E402
from semcache.core.certificate import Certificate  # noqa: E402

CORPORA = ("speckit", "shell", "python")
SETS = ("banking77-20", "clinc150-20", "qqp_a")
TOGETHER, TRAFFIC, TUNED = "all corpora", " with traffic", " tuned"
BUNDLES = (
    CORPORA[0],
    CORPORA[0] + TUNED,
    *CORPORA[1:],
    TOGETHER,
    *(name + rest for name in SETS for rest in ("", TRAFFIC)),
)
LEVELS = (0.02, 0.05, 0.10)
BEGIN, END = "<!-- held-out: written by scripts/eval/held_out.py -->", "<!-- end of held-out -->"
_MOST = 6_000
_OUTSIDE = 1_200


def main() -> None:
    """Build, ask, and write the table of everything that was measured so far."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--bundles", nargs="+", choices=BUNDLES, default=BUNDLES, metavar="NAME", help=", ".join(BUNDLES)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--root", type=Path, default=SCRATCH / "held-out", help="bundles and their files")
    parser.add_argument("--reports", type=Path, help="write HTML reports into this folder")
    parser.add_argument("--out", type=Path, default=RESULTS / "held-out.json")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs" / "quality.md")
    arguments = parser.parse_args()
    for bundle in arguments.bundles:
        found = _measured(bundle, arguments)
        _write(arguments.out, bundle, found)
        print(f"{bundle}: {len(found['rows'])} namespaces", flush=True)
    figures = json.loads(arguments.out.read_text("utf-8"))["figures"]
    text = replaced(arguments.docs.read_text("utf-8"), held_out_table(figures), begin=BEGIN, end=END)
    arguments.docs.write_text(text, encoding="utf-8")


def held_out(bundle: str, data: Path, *, seed: int) -> HeldOut:
    """Return what a bundle is built from and asked."""
    names = CORPORA if bundle == TOGETHER else (bundle.removesuffix(TUNED),)
    if names[0] in CORPORA:
        return of_corpora({name: _lines(REPOSITORY / "corpus" / f"{name}.jsonl") for name in names}, seed=seed)
    (set_up,) = (one for one in SET_UPS if one.name == bundle.removesuffix(TRAFFIC))
    others = read_items(data / "clinc150") if set_up.folder == "banking77" else []
    outside = [item.text for item in others if item.group.startswith(OUT_OF_SCOPE)][:_OUTSIDE]
    return of_set(read_items(data / set_up.folder), set_up, outside=outside, most=_MOST, seed=seed)


def held_out_table(figures: dict[str, Any]) -> str:
    """Return a row for each namespace of each bundle."""
    heads = (
        "bundle",
        "namespace",
        "asked",
        "must miss",
        "certified on",
        *(f"{100 * x:g} %" for x in LEVELS),
        "best 5 %",
    )
    rows = []
    for bundle in (name for name in BUNDLES if name in figures):
        for row in figures[bundle]["rows"]:
            asked = (f"{row['n_asked']:,}", f"{row['n_to_miss']:,}", f"{row['n_calibration']:,} {row['source']}")
            shares = [
                "-" if found is None else f"{share(found['coverage'])} / {share(found['error'])}"
                for found in row["levels"]
            ]
            rows.append((bundle, row["namespace"], *asked, *shares, share(row["best"])))
    return table(heads, rows)


def _measured(bundle: str, arguments: argparse.Namespace) -> dict[str, Any]:
    held = held_out(bundle, arguments.data, seed=arguments.seed)
    name = bundle.replace(" ", "-")
    config = BuildConfig(tune=bundle.endswith(TUNED))
    asked = _built(held, name, arguments.root, has_traffic=bundle.endswith(TRAFFIC), config=config)
    with Cache.open(name, root=arguments.root) as cache:
        evaluation = evaluate(cache, asked)
        certificates = cache.info.manifest.decision.certificates
    if arguments.reports is not None:
        arguments.reports.mkdir(parents=True, exist_ok=True)
        (arguments.reports / f"{name}.html").write_text(html_report(evaluation), encoding="utf-8")
    return {
        "n_entries": {file: len(lines) for file, lines in held.corpora.items()},
        "rows": [_row(evaluation, certificate, held) for certificate in certificates],
    }


def _built(held: HeldOut, name: str, root: Path, *, has_traffic: bool, config: BuildConfig) -> Sequence[LabelledQuery]:
    """Build a bundle; return what it is to be asked."""
    folder = root / "files" / name
    folder.mkdir(parents=True, exist_ok=True)
    corpora = [_written(folder / f"{file}.jsonl", lines) for file, lines in held.corpora.items()]
    asked, traffic = (
        read_queries([_written(folder / f"{what}.jsonl", lines)]).queries
        for what, lines in (("asked", held.asked), ("traffic", held.traffic if has_traffic else ()))
    )
    build_bundle(corpora, name=name, root=root, config=config, traffic=traffic)
    return asked


def _row(evaluation: Evaluation, certificate: Certificate, held: HeldOut) -> dict[str, Any]:
    """Return what the levels of a namespace serve, as shares of the queries that were meant for it."""
    namespace = certificate.namespace
    results = {level.promise.max_error: level for level in evaluation.levels if level.namespace == namespace}
    n_asked, best = held.n_asked(namespace), results[0.05].best
    levels = [
        {"coverage": result.served.n_hits / n_asked, "error": result.served.error}
        if result.promise.threshold is not None
        else None
        for result in (results[level] for level in LEVELS)
    ]
    return {
        "namespace": namespace,
        "n_asked": n_asked,
        "n_to_miss": held.n_to_miss(namespace),
        "source": certificate.calibration.source,
        "n_calibration": certificate.calibration.n_queries,
        "levels": levels,
        "best": best.n_hits / n_asked if best else 0.0,
    }


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _written(path: Path, lines: Sequence[Line]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def _write(path: Path, bundle: str, found: dict[str, Any]) -> None:
    figures = json.loads(path.read_text("utf-8"))["figures"] if path.exists() else {}
    document = {"kind": "held-out", "commit": commit(), "figures": rounded({**figures, bundle: found})}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
