"""Measure the threshold-margin decision: coverage and error over a grid, on public data sets and on a corpus.

Needs the data folder (`--data`, default ../shared/data) and an exported encoder (`--encoder`). The defaults of
`BuildConfig.threshold` and `margin` were chosen with it; the data sets used may fit what ships (their READMEs).

    python scripts/eval/threshold_margin.py --encoder indexes/encoders/<fingerprint> [--corpus corpus/speckit.jsonl]
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder

THRESHOLDS = (0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90)
MARGINS = (0.0, 0.03, 0.05, 0.08, 0.10, 0.12, 0.15, 0.20)
SETS = (("banking77", 5), ("banking77", 20), ("clinc150", 5), ("clinc150", 20), ("stackfaq", 5), ("nl2bash", 1))
MAX_QUERIES = 2500

Outcome = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Of each query: best score, margin to the best different answer, whether the best answer is right."""


def main() -> None:
    """Print a table a set: coverage / error in percent for each threshold and margin."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="also hold out one paraphrase an entry of this corpus")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.encoder, n_threads=2)
    for name, n_known in SETS:
        outcome = outcome_of_set(arguments.data / name, n_known, embedder, seed=arguments.seed)
        print_table(f"{name}, {n_known} known phrasings", outcome)
    if arguments.corpus:
        print_table(f"{arguments.corpus.name}, one paraphrase held out", outcome_of_corpus(arguments.corpus, embedder))


def outcome_of_set(folder: Path, n_known: int, embedder: Embedder, *, seed: int) -> Outcome:
    """Split a set into known phrasings and queries; queries without a known group must miss."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[str]] = defaultdict(list)
    outside: list[str] = []
    path = next(folder.glob("queries.jsonl*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            row = json.loads(line)
            is_outside = row["group"] is None or str(row["group"]).startswith("oos")
            (outside if is_outside else groups[row["group"]]).append(row["text"])
    known: list[tuple[str, int]] = []
    queries: list[tuple[str, int]] = [(text, -1) for text in outside]
    for number, texts in enumerate(groups.values()):
        order = [texts[i] for i in rng.permutation(len(texts))]
        known += [(text, number) for text in order[:n_known]]
        queries += [(text, number) for text in order[n_known:]]
    chosen = [queries[i] for i in rng.permutation(len(queries))[:MAX_QUERIES]]
    return outcome(known, chosen, embedder)


def outcome_of_corpus(path: Path, embedder: Embedder) -> Outcome:
    """Hold out one paraphrase an entry; half of the entries are taken out whole, so that theirs must miss."""
    known: list[tuple[str, int]] = []
    queries: list[tuple[str, int]] = []
    with path.open() as file:
        for number, line in enumerate(file):
            entry = json.loads(line)
            paraphrases = entry["paraphrases"]
            held = number % len(paraphrases)
            queries.append((paraphrases[held], number if number % 2 else -1))
            if number % 2:
                kept = [text for i, text in enumerate(paraphrases) if i != held]
                known += [(text, number) for text in (entry["query"], *kept)]
                known += [(text, -2 - number) for text in entry.get("rejects", [])]
    return outcome(known, queries, embedder)


def outcome(known: list[tuple[str, int]], queries: list[tuple[str, int]], embedder: Embedder) -> Outcome:
    """Search every query exactly; a negative answer among the known is a guard, never right."""
    vectors = embedder.embed([text for text, _ in known])
    answers = np.array([answer for _, answer in known])
    wanted = np.array([answer for _, answer in queries])
    scores = embedder.embed([text for text, _ in queries]) @ vectors.T
    best = scores.argmax(axis=1)
    top = scores[np.arange(len(queries)), best]
    rival = np.where(answers[None, :] == answers[best][:, None], -1.0, scores).max(axis=1)
    found = answers[best]
    return np.where(found < 0, -1.0, top), (top - rival), (found == wanted) & (found >= 0)


def print_table(title: str, result: Outcome) -> None:
    """Print coverage / error for the grid."""
    top, margin, is_right = result
    print(f"\n{title}: {len(top)} queries, best entry right for {is_right.mean():.1%}; coverage / error in %")
    print("score >= " + "".join(f"{f'margin {m:.2f}':>14}" for m in MARGINS))
    for threshold in THRESHOLDS:
        cells = []
        for least in MARGINS:
            served = (top >= threshold) & (margin >= least)
            error = float((~is_right[served]).mean()) if served.any() else 0.0
            cells.append(f"{100 * served.mean():7.1f} /{100 * error:5.1f}")
        print(f"{threshold:<9.2f}" + "".join(cells))


if __name__ == "__main__":
    main()
